# naver_serp: make && make demo && make test. What is missing of Debian's packages is
# installed by `make deps`, which the other targets run first.

VERSION   = 0.1.0
BUILD     = build
CFLAGS   ?= -O2 -g
PYTHON   := $(firstword $(wildcard /usr/bin/python3) python3)
FUZZ     ?= 600
PREFIX   ?= /usr/local
LIBDIR   ?= $(PREFIX)/lib
DATADIR   = $(PREFIX)/share/naver_serp
MANDIR    = $(PREFIX)/share/man/man7

# ldconfig looks only at files lib*, and files them under their soname; SQLite's
# `.load naver_serp` asks the loader for naver_serp.so. So the library is installed as
# libnaver_serp.so, its soname and a link are naver_serp.so.
ifeq ($(shell uname),Darwin)
SUFFIX    = dylib
SHARED    = -dynamiclib -undefined dynamic_lookup
INSTALLED = naver_serp.dylib
LINKED    =
else
SUFFIX    = so
SHARED    = -shared -Wl,-soname,naver_serp.so
INSTALLED = libnaver_serp.so
LINKED    = naver_serp.so
endif

EXTENSION = $(BUILD)/naver_serp.$(SUFFIX)
OBJECTS   = $(patsubst ext/%.c,$(BUILD)/%.o,$(wildcard ext/*.c))
# Evaluated when used, so that `make deps` can install pkg-config first.
PACKAGES  = $(shell pkg-config --cflags sqlite3 libcurl libcjson)
LIBRARIES = $(shell pkg-config --libs libcurl libcjson)
WARNINGS  = -Wall -Wextra -Wshadow
COMPILE   = $(CC) -std=c11 -D_DEFAULT_SOURCE -DNAVER_SERP_VERSION='"$(VERSION)"' \
            -fPIC -fvisibility=hidden -pthread -include ext/banned.h -I$(BUILD) $(WARNINGS) \
            $(CFLAGS) $(CPPFLAGS) $(PACKAGES)

all: $(EXTENSION)

$(EXTENSION): $(OBJECTS)
	$(CC) $(SHARED) $(CFLAGS) $(LDFLAGS) -o $@ $(OBJECTS) $(LIBRARIES)

$(BUILD)/%.o: ext/%.c $(BUILD)/store_sql.h Makefile
	$(COMPILE) -MMD -MP -c $< -o $@

# sql/store.sql as a C string, the only copy of the tables' definition.
$(BUILD)/store_sql.h: sql/store.sql
	@mkdir -p $(BUILD)
	{ echo '#define STORE_SQL \'; sed 's/["\\]/\\&/g; s/.*/  "&\\n" \\/' $<; echo '  ""'; } > $@

-include $(OBJECTS:.o=.d)

deps:
	@test/deps.sh build shell test

demo:
	@test/deps.sh build shell
	@$(MAKE) --no-print-directory -s all
	@test/demo.sh $(BUILD)

# The tests that need a browser are skipped where there is none.
test:
	@test/deps.sh build shell test
	@test/deps.sh browser || echo "make test: without a browser"
	@$(MAKE) --no-print-directory -s all
	@$(PYTHON) test/run.py

# Every allocation fails once, which takes minutes; `make test` tries a part of them.
faults:
	@test/deps.sh build shell test
	@$(MAKE) --no-print-directory -s all
	@FAULTS=all $(PYTHON) test/run.py test_faults

# Where ClickHouse is installed `make test` has it too; only this installs it.
test-clickhouse:
	@test/deps.sh build shell test clickhouse
	@$(MAKE) --no-print-directory -s all
	@$(PYTHON) test/run.py test_scale.ClickHouse

lint:
	@test/deps.sh build shell test lint
	@test/lint.sh

format:
	clang-format -i ext/*.[ch] test/*.[ch]

bench:
	@test/deps.sh build shell test bench
	@$(MAKE) --no-print-directory -s all
	@$(PYTHON) test/bench.py $(BENCH)

# FUZZ=seconds, or FUZZ=short for the seeds and a little more.
fuzz:
	@test/deps.sh build fuzz
	@$(MAKE) --no-print-directory -s -j2 BUILD=$(BUILD)/fuzz CC=clang \
	  CFLAGS="-O1 -g -fno-omit-frame-pointer -fsanitize=fuzzer-no-link,address,undefined \
	    -fno-sanitize-recover=undefined" $(BUILD)/fuzz/fuzz_bytes $(BUILD)/fuzz/fuzz_sql
	@test/fuzz.sh $(BUILD)/fuzz $(FUZZ)

$(BUILD)/fuzz_%: test/fuzz_%.c test/fuzz.h $(OBJECTS)
	$(COMPILE) -fsanitize=fuzzer $< $(OBJECTS) $(LIBRARIES) $(shell pkg-config --libs sqlite3) -o $@

# SANITIZE=short for the host in C alone, or parts of tests' names.
sanitize:
	@test/deps.sh build shell test sanitize
	@$(PYTHON) test/sanitize.py $(SANITIZE)

$(BUILD)/host: test/host.c Makefile
	$(CC) -std=c11 -D_DEFAULT_SOURCE -pthread $(WARNINGS) $(CFLAGS) -o $@ $< $(shell pkg-config --cflags --libs sqlite3)

# COVERAGE: parts of tests' names; without, all tests run but one, as a user who may not write
# here, and says so.
coverage:
	@test/deps.sh build shell test
	@rm -f $(BUILD)/coverage/*.gcda
	@$(MAKE) --no-print-directory -s BUILD=$(BUILD)/coverage CC=gcc CFLAGS="-O0 -g --coverage"
	@EXTENSION="$(CURDIR)/$(BUILD)/coverage/naver_serp" $(PYTHON) test/run.py $(COVERAGE) \
	  -test_files_and_folders_of_somebody_else
	@$(PYTHON) test/coverage.py $(BUILD)/coverage

# Hundreds of kills where `make test` has sixty (SEED=... repeats a run), and large answers.
soak:
	@test/deps.sh build shell test
	@$(MAKE) --no-print-directory -s all
	@TRIALS=$(or $(TRIALS),600) REDERIVE=300 $(PYTHON) test/run.py test_crash TestCrash
	@$(PYTHON) test/soak.py

# The scripts that need nothing of the source's folder, and the man page where there is
# the tool that makes it.
SCRIPTS   = $(filter-out sql/demo.sql,$(wildcard sql/*))
MANPAGE   = $(if $(shell command -v go-md2man),$(BUILD)/naver_serp.7)

# The tests of hosts, packages and other SQLite versions with all that they can use installed;
# what npm brings is optional.
hosts:
	@test/deps.sh build shell test package hosts
	@$(MAKE) --no-print-directory -s all
	@test/hosts.sh $(BUILD)
	@$(PYTHON) test/run.py test_hosts test_install

install: all $(MANPAGE)
	install -d "$(DESTDIR)$(LIBDIR)" "$(DESTDIR)$(DATADIR)/sql"
	install -m 644 $(EXTENSION) "$(DESTDIR)$(LIBDIR)/$(INSTALLED)"
	$(if $(LINKED),ln -sf $(INSTALLED) "$(DESTDIR)$(LIBDIR)/$(LINKED)")
	install -m 644 $(filter %.sql,$(SCRIPTS)) "$(DESTDIR)$(DATADIR)/sql"
	install -m 755 $(filter %.sh,$(SCRIPTS)) "$(DESTDIR)$(DATADIR)/sql"
	for f in post collect; do \
	  sed 's|^\.load build/naver_serp$$|.load naver_serp|' sql/$$f.sql >"$(DESTDIR)$(DATADIR)/sql/$$f.sql" || exit 1; \
	done
	$(if $(MANPAGE),install -d "$(DESTDIR)$(MANDIR)")
	$(if $(MANPAGE),install -m 644 $(MANPAGE) "$(DESTDIR)$(MANDIR)")
	@[ -n "$(DESTDIR)" ] || .package/loader.sh "$(LIBDIR)"

# Folders stay unless they are the extension's own and empty.
uninstall:
	rm -f $(foreach f,$(INSTALLED) $(LINKED),"$(DESTDIR)$(LIBDIR)/$(f)")
	rm -f $(foreach f,$(notdir $(SCRIPTS)),"$(DESTDIR)$(DATADIR)/sql/$(f)")
	rm -f "$(DESTDIR)$(MANDIR)/naver_serp.7"
	-[ ! -d "$(DESTDIR)$(DATADIR)/sql" ] || rmdir "$(DESTDIR)$(DATADIR)/sql" "$(DESTDIR)$(DATADIR)"
	@[ -n "$(DESTDIR)" ] || PATH=$$PATH:/usr/sbin:/sbin ldconfig 2>/dev/null || true

man:
	@test/deps.sh package
	@$(MAKE) --no-print-directory -s $(BUILD)/naver_serp.7

# Of the day of the last commit, so that the same source gives the same page.
$(BUILD)/naver_serp.7: README.md Makefile .package/man.sh .package/tables.awk
	@mkdir -p $(BUILD)
	day=$$(date -u -d "@$${SOURCE_DATE_EPOCH:-$$(git log -1 --format=%ct 2>/dev/null)}" +%F 2>/dev/null || date +%F); \
	  .package/man.sh $(VERSION) $$day >$(BUILD)/naver_serp.7.md
	go-md2man -in $(BUILD)/naver_serp.7.md -out $(BUILD)/naver_serp.7.raw
	awk -f .package/tables.awk $(BUILD)/naver_serp.7.raw >$@

deb:
	@test/deps.sh build package
	@.package/deb.sh $(BUILD) $(VERSION)

clean:
	rm -rf $(BUILD)

.PHONY: all deps demo test test-clickhouse faults lint format bench fuzz sanitize coverage soak \
  hosts install uninstall man deb clean
