# nightjar: one non-recursive Makefile. `make help` lists what can be made.
BUILD ?= release
O ?= build
V ?= 0
ifeq ($(origin CC),default)
CC := gcc
endif
PREFIX ?= /usr/local
B := $(O)/$(BUILD)

VERSION := $(shell sed -n 's/.* NIGHTJAR_VERSION "\(.*\)"/\1/p' orchestrator/version.h)

ifeq ($(filter $(BUILD),release debug asan tsan cov),)
$(error BUILD=$(BUILD) is not one of release debug asan tsan cov)
endif
ifneq ($(V),1)
Q := @
endif
# make -s is silent, V=1 shows the commands
ifeq ($(V)$(findstring s,$(firstword -$(MAKEFLAGS))),0)
say = @printf '  %-7s %s\n' '$(1)' '$(2)';
endif

# --- flags ----------------------------------------------------------------------------------
PKGS := sqlite3 libcurl libmicrohttpd jansson zlib libsystemd yaml-0.1 libarchive libsodium libseccomp libpcre2-8
PKG_CFLAGS := $(shell pkg-config --cflags $(PKGS) 2>/dev/null)
# not linked but loaded where they are used (base/late.h)
LATE_PKGS := libcurl libarchive libmicrohttpd
PKG_LIBS := $(shell pkg-config --libs $(filter-out $(LATE_PKGS),$(PKGS)) 2>/dev/null)
LATE_LIBS := $(shell pkg-config --libs $(LATE_PKGS) 2>/dev/null)
# libsnappy's package has no .pc file either
LATE_LIBS += -lsnappy
# Zydis' package has no .pc file
PKG_LIBS += -lZydis -lm

# Each warning has found a bug in some C program that its author held to be right.
WARN := -Wall -Wextra -Wshadow -Wconversion -Wsign-conversion -Wcast-qual -Wformat=2 \
  -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition -Wpointer-arith -Wwrite-strings \
  -Wundef -Wvla -Wimplicit-fallthrough -Wnull-dereference -fno-common
ifneq ($(findstring clang,$(shell $(CC) --version 2>/dev/null)),clang)
WARN += -Wduplicated-cond -Wduplicated-branches -Wlogical-op -Wformat-signedness -Wjump-misses-init
endif
ifeq ($(WERROR),1)
WARN += -Werror
endif

MODE_release := -O2 -g -fstack-protector-strong -D_FORTIFY_SOURCE=2 -fPIE
MODE_debug := -O0 -g -fPIE
MODE_asan := -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all
MODE_tsan := -O1 -g -fsanitize=thread
MODE_cov := -O0 -g --coverage
LDMODE_release := -pie -Wl,-z,relro,-z,now
LDMODE_debug := -pie
LDMODE_asan := -fsanitize=address,undefined
LDMODE_tsan := -fsanitize=thread
LDMODE_cov := --coverage

# -iquote only: a plain -I would put our err.h before the system's
CPPFLAGS_ALL = -D_GNU_SOURCE -DPRELOAD_FILE='"$(B)/gen/forkserver.so"' \
  -iquote . -iquote triage -iquote $(B)/gen -include triage/base/banned.h $(PKG_CFLAGS) \
  $(CPPFLAGS)
CFLAGS_ALL = -std=gnu11 $(WARN) $(MODE_$(BUILD)) $(CFLAGS)
LDFLAGS_ALL = $(LDMODE_$(BUILD)) $(LDFLAGS)

# --- sources --------------------------------------------------------------------------------
SRC_base := $(sort $(wildcard triage/base/*.c))
# preload/ is no part of the program: it is loaded into fuzz targets
SRC_triage := $(sort $(filter-out triage/base/% triage/preload/%,$(wildcard triage/*.c triage/*/*.c)))
SRC_orch := $(sort $(filter-out orchestrator/main.c,$(wildcard orchestrator/*.c orchestrator/*/*.c)))
obj = $(patsubst %.c,$(B)/obj/%.o,$(1))
LIB_base := $(B)/libbase.a
LIB_triage := $(B)/libtriage.a
LIB_orch := $(B)/liborchestrator.a
SQL := $(sort $(wildcard triage/sql/*.sql))

all: $(B)/nightjar ## the program (default)

$(B)/nightjar: $(call obj,orchestrator/main.c) $(LIB_orch) $(LIB_triage) $(LIB_base)
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $^ $(PKG_LIBS)

$(LIB_base): $(call obj,$(SRC_base))
$(LIB_triage): $(call obj,$(SRC_triage))
$(LIB_orch): $(call obj,$(SRC_orch))
$(B)/lib%.a:
	$(call say,AR,$@)
	$(Q)rm -f $@ && ar rcs $@ $^

$(B)/obj/%.o: %.c $(B)/flags
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) -MMD -MP -c -o $@ $<

# generated headers must exist before the first compilation; later the .d files know who needs them
$(call obj,$(SRC_base) $(SRC_triage) $(SRC_orch)): | $(B)/gen/migrations.h
$(B)/gen/migrations.h: $(SQL) scripts/embed
	$(call say,GEN,$@)
	$(Q)mkdir -p $(@D)
	$(Q)scripts/embed migrations $(SQL) >$@.new && mv $@.new $@

# The fork server is embedded as bytes. No sanitizer and no fortification of ours belongs in it.
$(B)/obj/triage/preload.o: $(B)/gen/forkserver.so
$(B)/gen/forkserver.so: triage/preload/forkserver.c $(B)/flags
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -D_GNU_SOURCE -std=gnu11 $(WARN) -O2 -fPIC -fvisibility=hidden -shared -Wl,-z,relro,-z,now,-s -o $@ $<

# changed flags rebuild everything
.PHONY: FORCE
$(B)/flags: FORCE
	$(Q)mkdir -p $(B)
	$(Q)printf '%s\n' '$(CC) $(subst ','\'',$(CPPFLAGS_ALL)) $(CFLAGS_ALL) $(LDFLAGS_ALL)' >$@.new; \
	  if cmp -s $@.new $@; then rm $@.new; else mv $@.new $@; fi

# --- tests ----------------------------------------------------------------------------------
# A unit test links only the libraries at or below its module, so an upward call does not link.
UNIT := $(sort $(patsubst tests/unit/%.c,%,$(wildcard tests/unit/test_*.c)))
module = $(patsubst test_%,%,$(1))
unit_libs = $(if $(wildcard triage/base/$(call module,$(1)).c),$(LIB_base),\
  $(if $(wildcard triage/$(call module,$(1)).c triage/*/$(call module,$(1)).c),$(LIB_triage) $(LIB_base),\
  $(LIB_orch) $(LIB_triage) $(LIB_base)))

define unit_rule
$(B)/unit/$(1): $(B)/obj/tests/unit/$(1).o $(call unit_libs,$(1))
	$$(call say,LD,$$@)
	$$(Q)mkdir -p $$(@D)
	$$(Q)$$(CC) $$(LDFLAGS_ALL) -o $$@ $$^ -lcmocka $$(PKG_LIBS) $$(LATE_LIBS)
endef
$(foreach t,$(UNIT),$(eval $(call unit_rule,$(t))))
$(patsubst %,$(B)/obj/tests/unit/%.o,$(UNIT)): | $(B)/gen/migrations.h

T ?= *
unit: $(patsubst %,$(B)/unit/%,$(filter $(subst *,%,test_$(T)),$(UNIT))) ## unit tests; T=name for one, BUILD=asan for sanitizers
	$(Q)tests/run unit $^

golden: $(B)/nightjar ## report parsers against tests/golden
	$(Q)tests/run golden $(B)/nightjar

bless: $(B)/nightjar ## rewrite the expectations of tests/golden; review the diff
	$(Q)tests/run bless $(B)/nightjar

units: $(patsubst %,$(B)/unit/%,$(UNIT)) $(B)/nightjar

integration: $(B)/nightjar ## real engines, real targets, real servers; T=NN-name for one
	$(Q)tests/run integration $(B)/nightjar '$(T)'

# BUILD=asan check runs the unit and golden tests; integration tests start release programs
check: units ## all tests of this build
	$(Q)tests/run check $(BUILD) $(B)

soak: $(B)/nightjar ## what check shortens, in full
	$(Q)SOAK=1 INTEGRATION_TIMEOUT=$${INTEGRATION_TIMEOUT:-3600} tests/run integration $(B)/nightjar '$(T)'

bench: $(B)/nightjar ## ratios against real peers
	$(Q)set -e; for b in tests/bench/*/run; do $$b $(B)/nightjar; done

coverage: ## line coverage of the unit and golden tests
	$(Q)$(MAKE) --no-print-directory BUILD=cov check
	$(Q)scripts/coverage $(O)/cov

demo: ## install, build, fuzz real targets, triage, gate
	$(Q)scripts/demo

# --- lint -----------------------------------------------------------------------------------
lint: ## compilers, clang-tidy, cppcheck, -fanalyzer, shellcheck, format, layers
	$(Q)scripts/lint

format: ## rewrite the layout of all C files
	$(Q)clang-format-14 -i $$(git ls-files '*.c' '*.h')

objects: $(call obj,orchestrator/main.c $(SRC_orch) $(SRC_triage) $(SRC_base) $(patsubst %,tests/unit/%.c,$(UNIT)))
print-flags: $(B)/gen/migrations.h $(B)/gen/forkserver.so
	@printf '%s\n' '$(subst ','\'',$(CPPFLAGS_ALL)) -std=gnu11 $(WARN)'

print-libs: # of the program's libraries, for what else links them
	@printf '%s\n' '$(PKG_LIBS)'

# --- install --------------------------------------------------------------------------------
# the man page and the completion are made from the option tables that the parser uses
manual: $(B)/nightjar.1 $(B)/completion.bash ## man page and bash completion
$(B)/nightjar.1: orchestrator/nightjar.1.in $(B)/nightjar
	$(call say,GEN,$@)
	$(Q)$(B)/nightjar help --roff >$@.verbs
	$(Q)sed -e '/^@VERBS@$$/{r $@.verbs' -e 'd}' -e 's/@VERSION@/$(VERSION)/' $< >$@
$(B)/completion.bash: $(B)/nightjar
	$(call say,GEN,$@)
	$(Q)$(B)/nightjar help --completion >$@

install: $(B)/nightjar manual ## FHS below DESTDIR and PREFIX
	install -D -m 755 $(B)/nightjar $(DESTDIR)$(PREFIX)/bin/nightjar
	install -D -m 644 $(B)/nightjar.1 $(DESTDIR)$(PREFIX)/share/man/man1/nightjar.1
	install -D -m 644 $(B)/completion.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/nightjar
	install -D -m 644 LICENSE $(DESTDIR)$(PREFIX)/share/doc/nightjar/LICENSE
	install -D -m 644 orchestrator/nightjar.yaml.example $(DESTDIR)$(PREFIX)/share/doc/nightjar/nightjar.yaml.example

clean: ## remove this build
	rm -rf $(B)

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  \1\t\2/p' Makefile | expand -t 16

.PHONY: all units objects print-flags print-libs manual unit golden bless integration check soak bench coverage demo lint format install clean help
-include $(shell find $(B)/obj -name '*.d' 2>/dev/null)
