# dgrid. `make` builds ./dgrid; `make help` lists the rest.
CC ?= cc
PREFIX ?= /usr/local
DESTDIR ?=
CLANG ?= clang
CLANG_FORMAT ?= clang-format
JSMN_DIR ?=
FUZZ_SECONDS ?= 30

# V=1 shows the commands whole.
Q := $(if $(V),,@)
say = $(if $(V),,@echo '  $(1)  $(2)')

UNAME := $(shell uname -s)
VERSION := $(shell sed -n 's/^\#define DGRID_VERSION "\(.*\)"$$/\1/p' base/version.h)
# A folder a room, from the ground up; tests/layers.sh holds their order.
ROOMS := base git sandbox schema store worker audit site verbs
SRC := $(sort $(wildcard *.c $(ROOMS:%=%/*.c)))
HEADERS := $(sort $(wildcard *.h $(ROOMS:%=%/*.h)))
# Files that the program carries with it, see base/asset.h.
ASSETS := $(sort $(filter-out %/ci.yml %/release.yml,$(wildcard .github/workflows/*.yml)) $(wildcard assets/*/*))
ASSET_DATA := build/asset_data.c
LIB_SRC := $(filter-out dgrid.c,$(SRC))
TEST_SRC := $(sort $(wildcard tests/test_*.c))
FORMAT_SRC := $(SRC) $(HEADERS) $(sort $(wildcard tests/*.c tests/*.h packaging/packed/*.[ch]))

WARN := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion -Wstrict-prototypes \
	-Wmissing-prototypes -Wvla -Wformat=2
# clang also complains of va_list helpers, which gcc knows are fine.
NO_NONLITERAL := -Wno-format-nonliteral
ifneq ($(findstring clang,$(shell $(CC) --version 2>/dev/null)),)
WARN += $(NO_NONLITERAL)
endif
ifeq ($(WERROR),1)
WARN += -Werror
endif
BASE := -std=c11 -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -D_TIME_BITS=64 -g $(WARN) -I.
# A source release carries jsmn's header; a checkout takes the system's.
JSMN := $(or $(JSMN_DIR),$(patsubst %/jsmn.h,%,$(wildcard third_party/jsmn/jsmn.h)))
INC := $(if $(JSMN),-isystem $(JSMN))
JSMN_HEADER = $(shell printf '\043include <jsmn.h>\n' | $(CC) $(INC) $(CPPFLAGS) -E -x c - 2>/dev/null | \
	sed -n 's/^\# 1 "\(.*jsmn\.h\)".*/\1/p' | head -n 1)

ifeq ($(SAN),1)
OUT := build/san/dgrid
O := build/san/obj
T := build/san/tests
MODE_C := -O1 -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
MODE_L := -fsanitize=address,undefined
ifeq ($(UNAME),Linux) # 160,000 relocations less at each start
MODE_C += -fno-pie
MODE_L += -no-pie
endif
else ifeq ($(COV),1)
OUT := build/cov/dgrid
O := build/cov/obj
T := build/cov/tests
MODE_C := -O0 --coverage
MODE_L := --coverage
else
OUT := dgrid
O := build/obj
T := build/tests
MODE_C := -O2
MODE_L :=
ifeq ($(UNAME),Linux)
MODE_C += -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fPIE
MODE_L += -pie -Wl,-z,relro,-z,now
endif
endif

ALL_C = $(BASE) $(MODE_C) $(INC) $(CPPFLAGS) $(CFLAGS)
ALL_L = $(MODE_L) $(LDFLAGS)
OBJ := $(SRC:%.c=$(O)/%.o) $(O)/asset_data.o
LIB_OBJ := $(filter-out $(O)/dgrid.o,$(OBJ))
TEST_BIN := $(TEST_SRC:tests/%.c=$(T)/%)

.PHONY: all deps unit test coverage demo screenshots manual fuzz chaos tamper bench static dist distcheck deb ports release packaging install uninstall \
	clean format-check format help FORCE
.DELETE_ON_ERROR:
all: $(OUT)

help:
	@echo 'make [WERROR=1] [SAN=1] [JSMN_DIR=dir]   build ./dgrid (SAN=1: build/san/dgrid)'
	@echo 'make static [CROSS=aarch64 PACKED=no]   one file without dependencies, by musl: ./dgrid-static and build/dist/dgrid-VERSION-linux-...'
	@echo 'make unit       unit tests;  make test: everything;  make demo: a grid on this machine'
	@echo 'make coverage [ONLY=bats/FILE.bats]   which functions no test runs, and the share of lines that one does'
	@echo 'make chaos [FAULT_SECONDS=60 WORKERS=4 TASKS=200 SEED=n]   kill, freeze, unplug; then check the history'
	@echo 'make tamper [HISTORIES=1000 SEED=n]   frauds and honest histories, before the audit and the hook'
	@echo 'make bench [ROUNDS=3 ONLY=throughput,pushes,latency,budget,growth,overhead,idle,readers,hook,schedules,packed,audit,peers]   what it costs and gains; peers: beside other queues'
	@echo 'make screenshots   docs/img anew, by the test of the dashboard in a browser;  make manual: docs/man/ anew, by --help'
	@echo 'make recording     docs/img/demo.svg anew: a terminal in which make demo runs'
	@echo 'make fuzz       build/fuzz/fuzz_json (clang);  make format-check'
	@echo 'make install [PREFIX=/usr/local DESTDIR= BINDIR= MANDIR= ... UNITDIR= INITDIR=];  make uninstall;  make clean'
	@echo 'make dist       the source release, build/dist/dgrid-VERSION.tar.gz;  make distcheck: builds it where there is little else'
	@echo 'make deb        a Debian package;  make ports: APKBUILD and Homebrew formula;  make release: all of these, and their sums'
	@echo 'make packaging  makes a release and uses each of its files as its user would'

# Compiler and flags in a file: when they change, everything is built anew.
$(O)/flags: FORCE
	@mkdir -p $(O)
	@echo '$(CC) $(ALL_C) $(ALL_L)' | cmp -s - $@ || echo '$(CC) $(ALL_C) $(ALL_L)' >$@

HAVE_JSMN = printf '\043include <jsmn.h>\nint main(void) { return 0; }\n' | \
	$(CC) $(INC) $(CPPFLAGS) -DJSMN_HEADER -x c -fsyntax-only - 2>/dev/null

deps:
	@$(HAVE_JSMN) || { test "$$(id -u)" = 0 && sh scripts/install-deps.sh build && $(HAVE_JSMN); } || { \
		echo 'dgrid: the header <jsmn.h> was not found (or there is no C compiler). Get it with one of:'; \
		echo '  Debian, Ubuntu   sudo apt-get install libjsmn-dev'; \
		echo '  Alpine           sudo apk add jsmn'; \
		echo '  Fedora           sudo dnf install jsmn-devel'; \
		echo '  macOS            brew install jsmn'; \
		echo '  elsewhere        make JSMN_DIR=the-folder-with-jsmn.h   (https://github.com/zserge/jsmn)'; \
		exit 1; } >&2

$(OUT): $(OBJ) $(O)/flags
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_C) $(ALL_L) -o $@ $(OBJ) $(LDLIBS)

$(O)/%.o: %.c $(O)/flags | deps
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(ALL_C) -MMD -MP -c -o $@ $<

$(ASSET_DATA): $(ASSETS) scripts/embed.sh Makefile
	@mkdir -p build
	$(call say,GEN,$@)
	$(Q)sh scripts/embed.sh $(ASSETS) >$@

$(O)/asset_data.o: $(ASSET_DATA) base/asset.h $(O)/flags | deps
	$(call say,CC,$@)
	$(Q)$(CC) $(ALL_C) -c -o $@ $<

$(T)/%: tests/%.c $(LIB_OBJ) $(O)/flags | deps
	@mkdir -p $(T)
	$(call say,CC,$<)
	$(Q)$(CC) $(ALL_C) -MMD -MP -MF $@.d $(ALL_L) -o $@ $< $(LIB_OBJ) $(LDLIBS)

# Not a part of dgrid, but of its packed static programs.
$(T)/test_lzma: tests/test_lzma.c tests/test.h $(wildcard packaging/packed/lzma.*) $(O)/flags
	@mkdir -p $(T)
	$(call say,CC,$<)
	$(Q)$(CC) $(ALL_C) $(ALL_L) -o $@ tests/test_lzma.c packaging/packed/lzma.c

# Random honest histories for tests/tamper: the program's own code, with these played by the test.
HONEST_OBJ := $(filter-out $(O)/ledger.o $(O)/store/registry.o $(O)/store/origin.o $(O)/store/heartbeat.o $(O)/runner.o $(O)/base/clock.o $(O)/worker/inputs.o,$(LIB_OBJ))
$(T)/honest: tests/honest.c tests/honest_orders.c tests/honest_schedule.c tests/honest_stage.c $(wildcard tests/honest_*.h) $(HONEST_OBJ) $(HEADERS) $(O)/flags | deps
	@mkdir -p $(T)
	$(call say,CC,$<)
	$(Q)rm -f $(T)/honest.a && ar qcs $(T)/honest.a $(HONEST_OBJ)
	$(Q)$(CC) $(ALL_C) $(ALL_L) -o $@ tests/honest.c tests/honest_orders.c tests/honest_schedule.c tests/honest_stage.c $(T)/honest.a $(LDLIBS)

unit: $(TEST_BIN)
	@sh tests/unit.sh $(TEST_BIN)

test:
	@MAKE='$(MAKE)' bash tests/run.sh

# Which functions no test runs: unit tests and bats with a build that counts. It takes long; ONLY= for some bats files.
coverage:
	@MAKE='$(MAKE)' bash scripts/coverage.sh $(ONLY)

demo:
	@sh scripts/install-deps.sh demo
	@$(MAKE) --no-print-directory all
	@bash scripts/demo.sh

fuzz: build/fuzz/fuzz_json
build/fuzz/fuzz_json: tests/fuzz_json.c $(LIB_SRC) $(ASSET_DATA) $(HEADERS) | deps
	@mkdir -p build/fuzz
	$(call say,CC,$@)
	$(Q)$(CLANG) $(BASE) $(INC) -O1 -fsanitize=fuzzer,address -fno-omit-frame-pointer -Wno-missing-prototypes $(NO_NONLITERAL) \
		-o $@ tests/fuzz_json.c $(LIB_SRC) $(ASSET_DATA)

# The bench of faults; again with the SEED it prints.
chaos: all
	@bash tests/chaos/run.sh '$(or $(FAULT_SECONDS),60)' '$(or $(WORKERS),4)' '$(or $(TASKS),200)' '$(SEED)'

# Frauds and honest histories, before the audit and the hook; HISTORIES= SEED= for more or other ones.
tamper: all
	@bash tests/tamper/run.sh '$(or $(HISTORIES),1000)' $(SEED)

# The README's pictures are those that the test of the dashboard makes.
screenshots: all
	@bash tests/browser/run.sh
	@mkdir -p docs/img
	cp build/browser/shots/*.png docs/img/

# What the pages of docs/man/ say of verbs, options and fields, from the program itself.
manual: all
	@python3 scripts/manual.py ./dgrid docs/man

# The README's demo, as it was on a terminal.
.PHONY: recording
recording: all
	@mkdir -p docs/img
	@env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL DGRID_DEMO_ENGINE=$(or $(DGRID_DEMO_ENGINE),bwrap) python3 scripts/record.py --title 'make demo: three workers race for a dozen tasks' docs/img/demo.svg make demo

# Figures, not tests; ROUNDS= ONLY=throughput,pushes,... The table goes to build/bench/ too.
bench: all
	@bash bench/run.sh --rounds '$(or $(ROUNDS),3)' $(if $(ONLY),--only '$(ONLY)')

# One file without dependencies, for this machine's processor or for CROSS=x86_64|aarch64.
static: $(ASSET_DATA) | deps
	@JSMN_HEADER='$(JSMN_HEADER)' PACKED='$(PACKED)' CC='$(CC)' CFLAGS='$(CPPFLAGS) $(CFLAGS)' LDFLAGS='$(LDFLAGS)' \
		sh scripts/static.sh '$(VERSION)' '$(CROSS)' '$(BASE)' $(SRC) $(ASSET_DATA)

# What a release has, all in build/dist/.
dist: | deps
	@sh scripts/dist.sh '$(VERSION)' '$(JSMN_HEADER)'
distcheck: dist
	@bash scripts/distcheck.sh 'build/dist/dgrid-$(VERSION).tar.gz'
deb: dist
	@sh scripts/deb.sh '$(VERSION)'
ports: dist
	@sh scripts/ports.sh '$(VERSION)'
release: deb ports
	@$(MAKE) --no-print-directory static CROSS=x86_64
	@$(MAKE) --no-print-directory static CROSS=aarch64
	@sh scripts/sums.sh '$(VERSION)'

# A release, made and used as its users would.
packaging:
	@MAKE='$(MAKE)' bash tests/packaging.sh

# An empty folder takes nothing: make install UNITDIR= SYSUSERSDIR=
LINUX := $(filter Linux,$(UNAME))
BINDIR ?= $(PREFIX)/bin
MANDIR ?= $(PREFIX)/share/man
DOCDIR ?= $(PREFIX)/share/doc/dgrid
EXAMPLEDIR ?= $(if $(DOCDIR),$(DOCDIR)/examples)
BASHCOMPDIR ?= $(PREFIX)/share/bash-completion/completions
ZSHCOMPDIR ?= $(PREFIX)/share/zsh/site-functions
FISHCOMPDIR ?= $(PREFIX)/share/fish/vendor_completions.d
UNITDIR ?= $(if $(LINUX),$(PREFIX)/lib/systemd/system)
SYSUSERSDIR ?= $(if $(LINUX),$(PREFIX)/lib/sysusers.d)
INITDIR ?=
CONFDIR ?= $(if $(INITDIR),/etc/conf.d)
PLACES := DESTDIR BINDIR MANDIR DOCDIR EXAMPLEDIR BASHCOMPDIR ZSHCOMPDIR FISHCOMPDIR UNITDIR SYSUSERSDIR INITDIR CONFDIR
INSTALLER = $(foreach p,$(PLACES),$(p)='$($(p))') sh scripts/install.sh
install: all
	@$(INSTALLER) install
uninstall:
	@$(INSTALLER) uninstall

format-check:
	$(Q)$(CLANG_FORMAT) --dry-run -Werror $(FORMAT_SRC)
format:
	$(Q)$(CLANG_FORMAT) -i $(FORMAT_SRC)

clean:
	rm -rf build dgrid dgrid-static

-include $(OBJ:.o=.d) $(TEST_BIN:%=%.d)
