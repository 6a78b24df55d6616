/* log: one line an event, "UTC level module: message"; control bytes are replaced. To stderr and, if asked, a file. */
#ifndef LOG_H
#define LOG_H
enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };
/* level by name (error, warn, info, debug); returns -1 for an unknown one. */
int log_level_parse(const char *name, enum log_level *out);
/* file may be NULL. Returns -1 when it cannot be opened for appending (errno says why). */
int log_init(enum log_level level, const char *file);
void log_at(enum log_level level, const char *module, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
#endif
