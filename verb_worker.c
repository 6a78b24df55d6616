#include "verbs.h"
#include "worker.h"
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int cmd_worker(const struct context *ctx, int argc, char **argv, struct err *e)
{
	static const struct option options[] = {
	    {"node-id", 1, 0, 'n'}, {"slots", 1, 0, 's'},    {"labels", 1, 0, 'l'},  {"engine", 1, 0, 'e'},
	    {"once", 0, 0, 'o'},    {"work-dir", 1, 0, 'w'}, {"poll-ms", 1, 0, 'p'}, {0}};
	char host[65], *dir = NULL;
	const char *home = getenv("HOME"), *interval = getenv("PULL_INTERVAL");
	struct strs labels = {0};
	struct worker_options o = {.url = ctx->url,
				   .branch = ctx->branch,
				   .name = ctx->name,
				   .email = ctx->email,
				   .engine = "auto",
				   .slots = 1,
				   .node_id = getenv("NODE_ID")};
	long n;
	int opt, rc = -1;
	optind = 1;
	if (interval) {
		if (parse_number("PULL_INTERVAL", interval, 1, 3600, &n, e))
			goto out;
		o.poll_ms = (int)n * 1000;
	}
	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1)
		switch (opt) {
		case 'n':
			o.node_id = optarg;
			break;
		case 's':
			if (parse_number("--slots", optarg, 1, 256, &n, e))
				goto out;
			o.slots = (int)n;
			break;
		case 'p':
			if (parse_number("--poll-ms", optarg, 10, 3600000, &n, e))
				goto out;
			o.poll_ms = (int)n;
			break;
		case 'l':
			for (const char *p = optarg; *p;) {
				size_t len = strcspn(p, ",");
				char *one = xstrndup(p, len);
				strs_add(&labels, one);
				bool ok = task_id_valid(one);
				free(one);
				if (!ok) {
					err_set(e, ERR_USAGE, "--labels: expected NAME,NAME of A-Z a-z 0-9 _ -");
					goto out;
				}
				p += len + (p[len] == ',');
			}
			break;
		case 'e':
			o.engine = optarg;
			break;
		case 'o':
			o.once = true;
			break;
		case 'w':
			o.work_dir = optarg;
			break;
		default:
			err_set(e, ERR_USAGE, "see: dgrid worker --help");
			goto out;
		}
	if (optind < argc) {
		err_set(e, ERR_USAGE, "worker takes no operand, found '%s'", argv[optind]);
		goto out;
	}
	if (need_repo(ctx, e))
		goto out;
	worker_default_id(host);
	if (!o.node_id)
		o.node_id = host;
	if (!task_id_valid(o.node_id)) {
		err_set(e, ERR_USAGE, "--node-id: expected 1-64 of A-Z a-z 0-9 _ -, found '%s'", o.node_id);
		goto out;
	}
	dir = xasprintf("%s/.local/state/dgrid/%s", home ? home : "/tmp", o.node_id);
	if (!o.work_dir)
		o.work_dir = dir;
	o.labels = labels.v;
	o.n_labels = labels.n;
	rc = worker_run(&o);
	if (rc)
		err_set(e, (enum err_class)rc, "%s", ""); /* already logged */
out:
	strs_clear(&labels);
	free(dir);
	return rc ? -1 : 0;
}
