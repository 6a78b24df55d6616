/* lzma: streams made by another packer (Python's lzma.compress, FORMAT_ALONE), whole, cut and damaged. */
#include "packaging/packed/lzma.h"
#include "test.h"
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

/* A text with all sorts of repetitions: of a byte, near and far, with and without what changed between. */
static size_t make_text(unsigned char *out, size_t size)
{
	char *to = (char *)out;
	size_t n = 0;
	for (int twice = 0; twice < 2; twice++) {
		for (int i = 0; i < 40; i++)
			n += (size_t)snprintf(to + n, size - n, "%d %d\n", i * i, i * i * i % 97);
		if (!twice) {
			memset(to + n, 'a', 3000);
			n += 3000;
		}
	}
	return n;
}

static const struct {
	const char *properties, *hex;
} packed[] = {
    {"lc=3 lp=0 pb=2",
     "5d00100000ffffffffffffffff0018080262bdbac42f1ddd54426e9e49b3390b6db4bec6773e631cb73882bd457711d7"
     "032066654063eb51b464af94366c53953ff973d040a08ce1b9dd47bfb7c2233448e0a86091a6a97773341dc9cf028399"
     "dff5df44a8a53828ff61429a219c8d93f559138d1545c77aee90cb690e12430927cf29f5b7200549e5723cd274c80e29"
     "4fe920f6c9f3b114242f6037b1f499ca28b4a04087e7cddee00e223475d4cfa42bf16abbd259c8d2f45dc938a4dcc624"
     "3587c04dc4ea780a774b2f28f9decc75ea70e25bbac5d09db8e3fd4fc3b6"},
    {"lc=0 lp=2 pb=0",
     "1200100000ffffffffffffffff0018084292352dbdae9442697d4bfeaab4a3578207b2c06601b3eca1c4b7ac0e5ceb21"
     "33dd36d2e35720b291e1cf2a4328e3747fac4f88791593b48bde6a48e67c699bc20ba404d228ac67eee79ec68ca39ce8"
     "ee20f40aea76a3109287c9d529df91d3eac9eb2269d408ea3296881882d6511bd011377b4b3f79e7e094dc953ce74e19"
     "9534e31dceaec9e43c00893d218c60d076931db48a26e955800649a98afd66278176f0ec99e8959d617c39a6279236cf"
     "93e3d857a1fc99c30097801832c1eff3a2f9e9b0e8264e3df011c6cef01c4d2b00e01381ff95dfdf00"},
    {"lc=4 lp=0 pb=4",
     "b800100000ffffffffffffffff0018080200a67b11a21317131168645d363d5bb1bc0e39adcaa6f718d573fed14da577"
     "aa877a886577dfa2fc1bbf7196ee8078fa4f33a4e86ed94ebff16d540bc63f9317b24e4e9b8fdbd22067b67134dd8b8c"
     "7467285ca8710a71b3c1ab98d9ca25800ab8352adb18308ee898755e0719780842a808d6fef3c7064537ab74f618a91c"
     "34140573d0623c8b36ad9ad9ba698a9a73750988bf297c4d7d4eb235dc66cc2774494abbdf77c78e6112afe21c9c5933"
     "0e84ad643fb482dceb4ea2c159b5ea5c26f2a555314d911f6a705dbef2bb91db9fffcbe95a98"},
    {"lc=1 lp=3 pb=1",
     "4900100000ffffffffffffffff0018080230abe31de027adc4b14d34dd9414eb66cdc51fef661a92637222b0ccaf6da6"
     "6310d12b2360cd544571792224e4b997710ac916eb1ce94e164253a9d7debb9db32a33971fced10d615bf518ed7de7e4"
     "8de03036b7679b48651f6657c2a583bb8a63da89532c50ba5b93a57b29235990ac4585068a56ee411d8cd115b1924b89"
     "826b87c004e979c02de27ae73ae3c5c5a19578b70e94ba4bc000ee8b7b057373428cf251ab372eab96f2bb4b7c9dd22c"
     "1dafbe1b01a2b5a7eccfd6c3610ae5b4a74e278663c64f85de5dc3660e8a734866a4caf959275aebffd5e0beec"},
};

static size_t from_hex(const char *hex, unsigned char *out)
{
	size_t n = 0;
	for (; hex[2 * n]; n++) {
		char byte[3] = {hex[2 * n], hex[2 * n + 1], 0};
		out[n] = (unsigned char)strtoul(byte, NULL, 16);
	}
	return n;
}

/* In memory of just these lengths, so that the sanitizer sees every step beside it. */
static enum lzma_end unpack(const unsigned char *in, size_t len, const unsigned char *expected, size_t out_len)
{
	unsigned char *from = malloc(len ? len : 1), *to = malloc(out_len ? out_len : 1);
	memcpy(from, in, len);
	enum lzma_end end = lzma_unpack(from, len, to, out_len);
	if (end == LZMA_WHOLE && expected && memcmp(to, expected, out_len))
		end = LZMA_BROKEN;
	free(from);
	free(to);
	return end;
}

int main(void)
{
	static unsigned char text[8192], in[1024];
	size_t text_len = make_text(text, sizeof text);
	for (size_t i = 0; i < sizeof packed / sizeof *packed; i++) {
		const char *what = packed[i].properties;
		size_t len = from_hex(packed[i].hex, in);
		CHECK(unpack(in, len, text, text_len) == LZMA_WHOLE, what);
		CHECK(unpack(in, len, NULL, text_len - 1) == LZMA_BROKEN, what);
		CHECK(unpack(in, len, NULL, text_len + 1) == LZMA_BROKEN, what);
		CHECK(unpack(in, len, NULL, 0) == LZMA_BROKEN, what);
		/* The last five bytes only empty the packer's register. */
		bool taken = false;
		for (size_t cut = 0; cut + 5 < len; cut++)
			taken |= unpack(in, cut, text, text_len) == LZMA_WHOLE;
		CHECK(!taken, what);
		for (size_t bit = 0; bit < 8 * len; bit++) {
			in[bit / 8] ^= (unsigned char)(1U << bit % 8);
			unpack(in, len, NULL, text_len);
			in[bit / 8] ^= (unsigned char)(1U << bit % 8);
		}
		/* Its length may be said in place of the mark at the end. */
		for (int j = 0; j < 8; j++)
			in[5 + j] = (unsigned char)((uint64_t)text_len >> 8 * j);
		CHECK(unpack(in, len, text, text_len) == LZMA_WHOLE, what);
		CHECK(unpack(in, len, NULL, text_len + 1) == LZMA_BROKEN, what);
	}

	size_t len = from_hex("5d00100000ffffffffffffffff0083fffbffffc0000000", in);
	CHECK(unpack(in, len, NULL, 0) == LZMA_WHOLE, "nothing, packed");
	CHECK(unpack(in, len, NULL, 1) == LZMA_BROKEN, "nothing, and something awaited");
	in[0] = 2 * 45 + 2 * 9 + 3;
	CHECK(unpack(in, len, NULL, 0) == LZMA_UNFIT, "lc + lp of 5");
	in[0] = 225;
	CHECK(unpack(in, len, NULL, 0) == LZMA_UNFIT, "no properties");
	in[0] = 0x5d;
	in[13] = 1;
	CHECK(unpack(in, len, NULL, 0) == LZMA_UNFIT, "no coder begins so");
	CHECK(unpack((const unsigned char *)"\x7f"
					    "ELF",
		     4, NULL, 0) == LZMA_UNFIT,
	      "four bytes");
	return test_end("test_lzma");
}
