/* Dockerfiles: what a build would have the engine fetch by itself is refused, in every spelling that some reader takes;
 * what is found in the folder, in the grid's images and in earlier stages is not. */
#include "schema/dockerfile.h"
#include "test.h"
#include <stdlib.h>

static struct json order = {.type = JSON_OBJECT};
static const struct grid_config config = {
    .images = {(char *)"alpine:3.22", (char *)"reg.example:5000/a/b@sha256:0f", (char *)"grid/etl:3", (char *)"$X"},
    .builds = {NULL, NULL, &order, NULL}};

static void good(const char *text)
{
	struct err e = {.msg = ""};
	CHECK(!dockerfile_check("Dockerfile", text, strlen(text), &config, NULL, &e),
	      (printf("%s%s\n", text, e.msg), text));
}

static void refused(const char *text, const char *says)
{
	struct err e = {.msg = ""};
	CHECK(dockerfile_check("Dockerfile", text, strlen(text), &config, NULL, &e) == -1, text);
	CHECK(e.class == ERR_DATA && strstr(e.msg, says) && !strncmp(e.msg, "Dockerfile:", 11),
	      (printf("%s%s\n", text, e.msg), says));
}

/* From line 2 on, behind a FROM that will do; says NULL: it is good. */
static void instruction(const char *text, const char *says)
{
	char *whole = xasprintf("FROM alpine:3.22\n%s\n", text);
	if (says)
		refused(whole, says);
	else
		good(whole);
	free(whole);
}

static void ordinary(void)
{
	good("FROM alpine:3.22");
	good("# build it so\r\n\r\nFROM alpine:3.22\r\nRUN echo a \\\r\n  b\r\n");
	good("ARG V=1\nfrom --platform=linux/amd64 alpine:3.22 as Base\nFROM scratch\nCOPY --from=Base /a /\nCOPY "
	     "--from=0 /b /\nFROM Base AS last\nCOPY --from=1 / /\nCOPY --from=alpine:3.22 /x /y\n");
	good("FROM reg.example:5000/a/b@sha256:0f\n");
	instruction("ADD data.tar.gz \"a file\" /x/", NULL);
	instruction("ADD [\"a b\", \"c\"]", NULL);
	instruction("ADD --chown=1000:1000 --chmod=755 donn\xc3\xa9"
		    "es /x",
		    NULL);
	instruction("COPY --chown=$USER --link $A/* /x\\", NULL);
	instruction("RUN wget http://x.example/ || git clone git@x.example:a", NULL);
	instruction("RUN --mount=type=cache,target=/root/.cache --mount=type=bind,from=alpine:3.22,target=/a make",
		    NULL);
	instruction("RUN --network=none true", NULL);
	instruction("RUN a <in 1<< 3 <<<x", NULL);
	instruction("ENV A=http://x.example B=\"$A\"\nLABEL url=http://x.example\nHEALTHCHECK --interval=5s CMD wget "
		    "http://localhost\nEXPOSE 80\nENTRYPOINT [\"/x\"]\nONBUILD RUN make\nOnBuild USER a\nSTOPSIGNAL 9\n"
		    "VOLUME /a\nWORKDIR /a\nSHELL [\"a\"]\nMAINTAINER a@b\nCMD [\"b\"]",
		    NULL);
	/* Comments and empty lines do not end an instruction; an indented # is a comment. */
	instruction("RUN a \\\n# ADD http://x y\n\n  # b \\\n  && b\nUSER a", NULL);
	instruction("RUN <<EOF sh -s\necho a\n  cat x | y\nEOF\nCOPY <<-\"A_1\" <<'B' /x/\nx\n\tA_1\nFROM_B\nB\nFROM "
		    "alpine:3.22",
		    NULL);
}

static void what_is_fetched(void)
{
	static const char *const adds[] = {"ADD http://127.0.0.1/x /x",
					   "add https://x.example/y z",
					   "ADD a ftp://x /y",
					   "ADD ht\"tp:/\"/x.example /y",
					   "ADD 'http:'//x /y",
					   "ADD [\"http://x\", \"/y\"]",
					   "ADD [\"http:\\u002f/x\", \"/y\"]",
					   "ADD $U /x",
					   "ADD h${E}ttp /x",
					   "ADD git@x.example:a /x",
					   "ADD GitHub.com/a/b /x",
					   "ADD --chown=1 http://x /y",
					   "ADD\thttp://x /y",
					   "A\\\nDD http://x /y",
					   "AD\\\n# c\n\n   # d\n\\\nD http://x /y",
					   "ADD a ht\\\ntp://x /y",
					   "\xc2\xa0 ADD http://x /y",
					   "ADD \\\t \nhttp://x /y"};
	for (size_t i = 0; i < sizeof adds / sizeof *adds; i++) {
		char *later = xasprintf("\tonbuild  %s", adds[i]);
		instruction(adds[i], "ADD of what is not in the folder (expected a file of it");
		instruction(later, "ADD of what is not in the folder");
		free(later);
	}
	refused("FROM alpine:3.22\nRUN a\\\nb\n# c\nADD \\\n http://x /y\n", "Dockerfile:5: ADD of what");
	refused("FROM alpine:3.22\nONBUILD ONBUILD ADD http://x /y", "ADD of what is not");
	instruction("ADD --checksum=sha256:0 a /b",
		    "the flag --checksum is not known here (expected one of: from chown");
	instruction("RUN <<EOF\nADD http://x /y\nEOF", "Dockerfile:3: ADD of what");
}

static void images(void)
{
	static const char neither[] = "is neither an earlier stage nor an image of grid.json";
	refused("FROM alpine\n", neither);
	refused("FROM 127.0.0.1:5000/x\n", "Dockerfile:1: FROM 127.0.0.1:5000/x: it is neither");
	refused("FROM Alpine:3.22\n", neither);
	refused("FROM alpine:3.22 AS a\nFROM scratch\nFROM b\n", "Dockerfile:3: FROM b: it is neither");
	refused("FROM alpine:3.22\nFROM 0\n", neither);
	refused("FROM grid/etl:3\n", "FROM grid/etl:3: it is itself to be built (expected an image that nodes have");
	refused("ARG X=evil\nFROM $X\n", "FROM with quotes, '$' or the like");
	refused("FROM \"alpine:3.22\"\n", "FROM with quotes");
	refused("FROM alpine:3.22 A\n", "FROM without its words");
	refused("FROM\n", "FROM without its words");
	refused("FROM alpine:3.22 AS a b\n", "FROM with too many words");
	refused("FROM alpine:3.22 AS a/b\n", "'a/b' is no name of a stage");
	refused("FROM alpine:3.22 AS 1\n", "'1' is no name of a stage");
	refused("FROM --x=y alpine:3.22\n", "the flag --x is not known");
	instruction("COPY --from=evil /a /b", "from=evil: it is neither");
	instruction("COPY --from=$X /a /b", neither);
	instruction("COPY --from=0 /a /b", neither); /* itself */
	instruction("COPY --from= /a /b", neither);
	instruction("COPY --fr\"om\"=evil /a /b", "a flag with quotes");
	instruction("COPY --fr\\om=evil /a /b", "a flag with quotes");
	instruction("COPY \xc2\xa0 --chown=1 \xc2\xa0 --from=evil /a /b", neither);
	instruction("COPY --from=a\xc2\xa0 /a /b", "other than ASCII");
	instruction("ADD --from=evil /a /b", neither);
	instruction("COPY --FROM=alpine:3.22 /a /b", "the flag --FROM is not known");
	instruction("COPY -- --from=evil /a /b", "the flag -- is not known");
	instruction("RUN --mount=type=bind,from=evil,target=/a true", neither);
	instruction("RUN --mount=From=evil true", neither);
	instruction("RUN --mount=target=/b --mount=target=/a,from=evil:1 true", "from=evil:1: it is neither");
	instruction("RUN --mount=\"id= ,from=evil\" true", "a flag with quotes");
	instruction("RUN --mount=type=image,source=evil true", "--mount of type image (expected bind, cache");
	instruction("RUN --mount=$X true", "--mount with a '$'");
	instruction("RUN --network=host true", "--network of a command (expected none or default");
	instruction("RUN --security=insecure true", "the flag --security is not known");
	/* The stages of who writes this are not those of who builds on it. */
	refused("FROM alpine:3.22 AS a\nFROM scratch\nONBUILD COPY --from=a / /\n", "from=a: it is neither");
	refused("FROM alpine:3.22\nONBUILD FROM alpine:3.22\n", "ONBUILD of FROM");
	refused("FROM alpine:3.22\nONBUILD --x ADD http://x /y\n", "ONBUILD of what is no instruction");
	refused("FROM alpine:3.22\nONBU\xc4\xb0LD ADD http://x /y\n", "begins with other than ASCII");
	struct buf many = {0};
	for (int i = 0; i < 201; i++)
		buf_adds(&many, "FROM scratch\n");
	refused(many.data, "Dockerfile:201: more than 200 stages");
	buf_clear(&many);
}

/* The images that stages begin with, once each; not what files are copied from. */
static void bases(void)
{
	static const char text[] = "FROM alpine:3.22 AS a\nFROM scratch\nFROM a\nFROM alpine:3.22\nCOPY "
				   "--from=reg.example:5000/a/b@sha256:0f / /\n";
	struct strs all = {0};
	struct err e = {.msg = ""};
	CHECK(!dockerfile_check("Dockerfile", text, strlen(text), &config, &all, &e), e.msg);
	CHECK(all.n == 1 && !strcmp(all.v[0], "alpine:3.22"), "bases");
	strs_clear(&all);
}

static void readers_differ(void)
{
	static const char directive[] = "a comment that is a directive, syntax or escape";
	refused("# syntax=docker/dockerfile:1\nFROM alpine:3.22\n", "Dockerfile:1: a comment that is a directive");
	refused("\xef\xbb\xbf#SynTax = x\nFROM alpine:3.22\n", directive);
	refused("  #\t escape\t=`\nFROM alpine:3.22\n", directive);
	refused("FROM alpine:3.22\n# escape=`", directive);
	refused("// syntax=x\nFROM alpine:3.22\n", "'//' before the first FROM (expected FROM or ARG)");
	refused("{\"syntax\": \"x\"}\n", "before the first FROM");
	refused("RUN true\nFROM alpine:3.22\n", "'RUN' before the first FROM");
	refused("# nothing\n", "there is no FROM");
	refused("", "there is no FROM");
	instruction("RUN a \\\\\nADD http://x /y", "Dockerfile:2: a line that ends in two backslashes");
	instruction("RUN a \\\xc2\xa0\nADD http://x /y", "what may be a blank and is not ASCII");
	instruction("RUN a \\\n\xc2\xa0\nADD http://x /y", "Dockerfile:3: what may be a blank");
	instruction("RUN a \\\n\xc2\xa0# b\nADD http://x /y", "Dockerfile:3: what may be a blank");
	instruction("RUN a\vb", "a control character");
	instruction("RUN a\rADD http://x /y", "a control character");
	instruction("ADDX a", "'ADDX' is no instruction");
	instruction("ADD\xc2\xa0http://x /y", "begins with other than ASCII");
	/* A heredoc's end is a line's end to those who know none, too. */
	instruction("RUN <<\"E\\\\\"\nE\\\nADD http://x /y", "'<<' before other than a plain word");
	instruction("RUN <<\"#\"\na \\\n#\nADD http://x /y", "'<<' before other than a plain word");
	instruction("RUN <<''\na \\\n\nADD http://x /y", "'<<' before other than a plain word");
	instruction("RUN <${X:-<}\"E\\\\\"\nE\\\nADD http://x /y", "'<$' (expected a blank behind '<')");
	instruction("RUN <<E\na \\\nE\nADD http://x /y", "Dockerfile:5: ADD of what");
	instruction("RUN <<-E\n\tE\nx", "'x' is no instruction");
	instruction("RUN <<E\n\tE\nx\nE\ny", "Dockerfile:6: 'y' is no instruction");
	/* A stage to those alone who know none. */
	instruction("COPY <<E /x\nFROM scratch AS evil\nE\nCOPY --from=evil / /",
		    "Dockerfile:3: FROM in the text of <<E");
}

int main(void)
{
	ordinary();
	what_is_fetched();
	images();
	bases();
	readers_differ();
	return test_end("test_dockerfile");
}
