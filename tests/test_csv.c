/* Comma-separated values: what RFC 4180 allows, and what is wrong, with its place. */
#include "base/csv.h"
#include "test.h"
#include <stdlib.h>

/* Cells in brackets, a row a line of what is said. */
static void reads(const char *text, size_t len, const char *says)
{
	struct csv c = {.name = "f", .text = text, .len = len};
	struct csv_row row = {0};
	struct buf said = {0};
	struct err e;
	int rc;
	buf_adds(&said, "");
	while ((rc = csv_next(&c, &row, &e)) > 0) {
		buf_addf(&said, "%ld", row.line);
		for (size_t i = 0; i < row.cells.n; i++)
			buf_addf(&said, "[%ld:%s]", row.cols[i], row.cells.v[i]);
		buf_adds(&said, ";");
	}
	if (rc < 0)
		buf_adds(&said, e.msg);
	CHECK(!strncmp(said.data, says, strlen(says)) && (rc < 0 || strlen(said.data) == strlen(says)), said.data);
	csv_clear(&row);
	buf_clear(&said);
}
#define READS(text, says) reads(text, sizeof text - 1, says)

static void writes(const char *cell, const char *as)
{
	struct buf b = {0};
	csv_put(&b, cell);
	CHECK(!strcmp(b.data ? b.data : "", as), b.data ? b.data : "nothing");
	buf_clear(&b);
}

int main(void)
{
	READS("", "");
	READS("\n\r\n\n", "");
	READS("a,b\n1,2\n", "1[1:a][3:b];2[1:1][3:2];");
	READS("a,b\r\n\r\n1,\r\n", "1[1:a][3:b];3[1:1][3:];");
	READS("\xEF\xBB\xBF"
	      "a\nb",
	      "1[1:a];2[1:b];");
	READS("\"a,b\",\"c\"\"d\"\n\"x\ny\",z\nlast", "1[1:a,b][7:c\"d];2[1:x\ny][4:z];4[1:last];");
	READS("\"\"\n,\n", "1[1:];2[1:][2:];");
	READS("a\rb\n", "1[1:a\rb];");
	READS("a\nx\"y\n", "1[1:a];f:2:2: a quote within a cell");
	READS("a,\"b\n", "f:1:3: a quote that is not closed");
	READS("\"a\"b\n", "f:1:1: more behind a closed quote");
	READS("a,\xff\n", "f:1:3: a cell that is not UTF-8");
	READS("a\0b\n", "f:1:1: a NUL in a cell");
	writes("", "");
	writes("plain text", "plain text");
	writes("a,b", "\"a,b\"");
	writes("say \"hi\"\n", "\"say \"\"hi\"\"\n\"");
	return test_end("test_csv");
}
