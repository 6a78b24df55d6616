/* What a node's owner gives to signed tasks: the file of secrets, networks, and who gets which. */
#include "base/file.h"
#include "schema/consent.h"
#include "test.h"
#include "worker/grants.h"
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define HEX "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
static char dir[64], conf[128];

static int read_conf(struct grants *g, const char *text, struct err *e)
{
	struct err none;
	*g = (struct grants){0};
	file_write_scratch(conf, text, strlen(text), &none);
	chmod(conf, 0600);
	return grants_read(g, conf, e);
}

static void wrong_conf(const char *text, const char *said)
{
	struct grants g;
	struct err e;
	CHECK(read_conf(&g, text, &e) && strstr(e.msg, said), said);
	if (!strstr(e.msg, said))
		printf("  got: %s\n", e.msg);
	grants_clear(&g);
}

static void sections(void)
{
#define REST "signers = ann\nimages = host\n"
	wrong_conf("", "secrets.conf:1: no secret");
	wrong_conf("file = /x\n", "secrets.conf:1: 'file = /x' (expected a section first");
	wrong_conf("\n[../x]\nfile = /x\n" REST, "secrets.conf:2: '[../x]' is no section");
	wrong_conf("[a]\nfile = /x\n" REST "[a]\n", "secrets.conf:5: [a] is there twice, first in line 1");
	wrong_conf("[a]\nfile = x\n", "secrets.conf:2: file: 'x' is not the whole path");
	wrong_conf("[a]\nfile = /x\nsigners = ann\n", "secrets.conf:1: [a] has no images");
	wrong_conf("[a]\nfile = /x\nimages = host\n[b]\n", "secrets.conf:1: [a] has no signers");
	wrong_conf("[a]\n" REST, "secrets.conf:1: [a] has no file");
	wrong_conf("[a]\nsigners =\n", "secrets.conf:2: signers: '' is no name");
	wrong_conf("[a]\nsigners = ann bob\n", "secrets.conf:2: signers: 'ann bob' is no name");
	wrong_conf("[a]\nimages = alpine:3.20\n", "secrets.conf:2: images: 'alpine:3.20' names no image by its digest");
	wrong_conf("[a]\nimages = a@sha256:" HEX "0\n", "names no image by its digest");
	wrong_conf("[a]\nfile = /x\nfile = /y\n", "secrets.conf:3: file is there twice");
	wrong_conf("[a]\nfiles = /x\n", "secrets.conf:2: 'files' is no setting of a secret");
	struct grants g;
	struct err e;
	CHECK(
	    !read_conf(
		&g,
		"# what backups need\n[db]\n file = /a b \r\nsigners=ann@x , SHA256:abc\nimages = r.io/etl@sha256:" HEX
		",host\n; more\n[k]\nfile=/k\n" REST,
		&e) &&
		g.n == 2,
	    "two secrets");
	CHECK(!strcmp(g.secrets[0].file, "/a b") && g.secrets[0].signers.n == 2 && g.secrets[0].line == 2 &&
		  strs_has(&g.secrets[0].images, HEX) && strs_has(&g.secrets[0].images, "host"),
	      "as the file has them");
	grants_clear(&g);
}

/* Whose the file is, and who could change it. */
static void fences(void)
{
	struct grants g;
	struct err e;
	char path[200], other[200];
	read_conf(&g, "[a]\nfile = /x\n" REST, &e);
	grants_clear(&g);
	static const struct {
		mode_t mode;
		bool fine;
	} modes[] = {{0600, true}, {0400, true}, {0640, false}, {0604, false}, {0620, false}};
	for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
		chmod(conf, modes[i].mode);
		CHECK(!grants_read(&g, conf, &e) == modes[i].fine, "a mode");
		CHECK(modes[i].fine || strstr(e.msg, "expected 0600 or stricter"), e.msg);
		grants_clear(&g);
	}
	chmod(conf, 0600);
	snprintf(path, sizeof path, "%s/link", dir);
	CHECK(!symlink(conf, path) && grants_read(&g, path, &e) && strstr(e.msg, "leads through a link"), e.msg);
	grants_clear(&g);
	snprintf(path, sizeof path, "%s/open", dir);
	snprintf(other, sizeof other, "%s/open/conf", dir);
	mkdir(path, 0700);
	CHECK(!rename(conf, other) && !grants_read(&g, other, &e), "in a folder of one's own");
	grants_clear(&g);
	chmod(path, 0777);
	CHECK(grants_read(&g, other, &e) && strstr(e.msg, "a folder that others may change"), e.msg);
	grants_clear(&g);
	rename(other, conf);
	rmdir(path);
	CHECK(grants_read(&g, dir, &e) && strstr(e.msg, "no plain file"), e.msg);
	grants_clear(&g);
}

static void networks(void)
{
	static const char *const bad[] = {"egress",
					  "=x",
					  "egress=",
					  "e/g=x",
					  "egress=host",
					  "egress=bridge",
					  "egress=none",
					  "egress=default",
					  "egress=container:x",
					  "egress=pasta",
					  "egress=ns:/x",
					  "egress=slirp4netns:a=b",
					  "egress=--privileged",
					  "egress=a,b",
					  "egress=podman",
					  "egress=name=host"};
	struct grants g = {0};
	struct err e;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		CHECK(grants_network(&g, bad[i], &e) && e.class == ERR_USAGE, bad[i]);
	CHECK(!grants_network(&g, "egress=proxy_net.1", &e) &&
		  !strcmp(grants_engines_network(&g, "egress"), "proxy_net.1"),
	      "a network");
	CHECK(grants_network(&g, "egress=other", &e), "twice");
	CHECK(!grants_engines_network(&g, "lan"), "no other");
	grants_clear(&g);
}

static struct json *task_of(const char *members)
{
	struct json_error je;
	return json_parse(members, strlen(members), &je);
}

static void judgements(void)
{
	static const struct engine docker = {.kind = ENGINE_DOCKER}, bwrap = {.kind = ENGINE_BWRAP};
	struct grants g;
	struct err e;
	char why[200];
	struct json *both = task_of("{\"secrets\": [\"db\", \"k\"]}"), *db = task_of("{\"secrets\": [\"db\"]}"),
		    *none = task_of("{}"), *net = task_of("{\"network\": \"egress\"}");
	read_conf(&g,
		  "[db]\nfile=/a\nsigners=ann,SHA256:annskey\nimages=x@sha256:" HEX "\n"
		  "[k]\nfile=/k\nsigners=bob\nimages=host\n",
		  &e);
	CHECK(!grants_offer(&g, db) && grants_offer(&g, none), "no place to hand it over: not offered");
	g.dir.root = xstrdup("/nowhere/dgrid-secrets-x");
	CHECK(grants_offer(&g, db) && grants_offer(&g, both) && !grants_offer(&g, net), "offered by name");
	g.unseen = true;
	CHECK(!grants_offer(&g, db), "not where the engine does not see them");
	g.unseen = false;
	g.hidden = true;
	CHECK(grants_offer(&g, db) && !grants_secrets(&g), "hidden ones are given, and not told");

	struct trust_verdict v = {.ok = true, .n = 1, .all = {{"ann", "SHA256:other"}}};
	CHECK(grants_signer(&g, db, &v, why) && !grants_signer(&g, both, &v, why), "by name; all of them or none");
	v.all[0] = (struct trust_signer_of){"eve", "SHA256:annskey"};
	CHECK(grants_signer(&g, db, &v, why), "by the key's fingerprint");
	v.all[0] = (struct trust_signer_of){"SHA256:annskey", "SHA256:eveskey"};
	CHECK(!grants_signer(&g, db, &v, why), "a name that looks like a fingerprint");
	v.all[0] = (struct trust_signer_of){"eve", ""};
	v.all[1] = (struct trust_signer_of){"bob", ""};
	v.all[2] = (struct trust_signer_of){"ann", ""};
	v.n = 3;
	CHECK(grants_signer(&g, both, &v, why), "each by one of several signers");
	v.n = 0;
	CHECK(!grants_signer(&g, db, &v, why) && grants_signer(&g, none, &v, why), "nobody signed it");

	g.engine = &docker;
	CHECK(grants_image(&g, db, "sha256:" HEX, why) && grants_image(&g, db, HEX, why), "its image");
	CHECK(!grants_image(&g, db, "", why) && !grants_image(&g, db, "sha256:0" HEX, why), "another, or none");
	CHECK(!grants_image(&g, both, HEX, why), "all of them or none");
	g.engine = &bwrap;
	CHECK(!grants_image(&g, db, "", why) && grants_image(&g, none, "", why), "the machine itself is no image");
	free(g.dir.root);
	g.dir.root = NULL;
	grants_clear(&g);
	json_free(both);
	json_free(db);
	json_free(none);
	json_free(net);
}

/* The schema, and which tasks keep what they print. */
static void schema(void)
{
	static const struct {
		const char *members, *said; /* said NULL: valid */
	} tasks[] = {
	    {"\"secrets\": [\"a\"]", NULL},
	    {"\"secrets\": [\"a\"], \"output\": \"digest\"", NULL},
	    {"\"output\": \"keep\"", NULL},
	    {"\"network\": \"egress\"", NULL},
	    {"\"secrets\": [\"../x\"]", "a secret's name"},
	    {"\"secrets\": [\"a/b\"]", "a secret's name"},
	    {"\"secrets\": [\"a\\u0000b\"]", "a secret's name"},
	    {"\"secrets\": [\"a\", \"a\"]", "twice"},
	    {"\"secrets\": []", "1-16 names"},
	    {"\"secrets\": \"a\"", "1-16 names"},
	    {"\"secrets\": [\"a\"], \"output\": \"keep\"", "\"keep\" beside secrets"},
	    {"\"output\": \"keep\", \"secrets\": [\"a\"]", "\"keep\" beside secrets"},
	    {"\"secrets\": [\"a\"], \"replicas\": 3", "3 nodes run"},
	    {"\"output\": \"none\"", "\"keep\" or \"digest\""},
	    {"\"network\": \"lan\"", "no network of this grid (expected \"egress\""},
	};
	struct grid_config c;
	struct problems set = {0};
	static const char settings[] = "{\"network\": [\"egress\"]}", bad[] = "{\"network\": [\"a b\"]}";
	config_defaults(&c);
	config_parse(&c, settings, sizeof settings - 1, &set);
	CHECK(!set.n, "settings");
	for (size_t i = 0; i < sizeof tasks / sizeof *tasks; i++) {
		struct problems p = {0};
		struct task t;
		char *text = xasprintf("{\"task_id\": \"a\", \"script\": \"true\", \"timeout_seconds\": 60, %s}",
				       tasks[i].members);
		int rc = task_parse(&t, text, strlen(text), NULL, &c, true, &p);
		CHECK(!rc == !tasks[i].said && (!rc || strstr(p.text.data, tasks[i].said)), tasks[i].members);
		if (!rc)
			CHECK(!t.out_mb == (json_get(t.doc, "secrets") != NULL), "no files unless it says so");
		task_clear(&t);
		problems_clear(&p);
		free(text);
	}
	config_parse(&c, bad, sizeof bad - 1, &set);
	CHECK(set.n == 1, "a name is a name");
	problems_clear(&set);
	config_clear(&c);
}

int main(void)
{
	snprintf(dir, sizeof dir, "/tmp/dgrid-grants-XXXXXX");
	if (!mkdtemp(dir))
		return 1;
	char *real = realpath(dir, NULL);
	snprintf(conf, sizeof conf, "%.100s/secrets.conf", real ? real : dir);
	free(real);
	sections();
	fences();
	networks();
	judgements();
	schema();
	file_remove_tree(dir, NULL);
	return test_end("test_grants");
}
