# naver_serp: make && make demo && make test. What is missing of Debian's packages is
# installed by `make deps`, which demo, test, lint and bench run first.

VERSION   = 0.1.0
BUILD     = build
CFLAGS   ?= -O2 -g
PYTHON   := $(firstword $(wildcard /usr/bin/python3) python3)
PREFIX   ?= /usr/local
LIBDIR   ?= $(PREFIX)/lib

ifeq ($(shell uname),Darwin)
SUFFIX    = dylib
SHARED    = -dynamiclib -undefined dynamic_lookup
else
SUFFIX    = so
SHARED    = -shared
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

lint:
	@test/deps.sh build shell test lint
	@test/lint.sh

format:
	clang-format -i ext/*.[ch]

bench:
	@test/deps.sh build shell test bench
	@$(MAKE) --no-print-directory -s all
	@$(PYTHON) test/bench.py $(BENCH)

install: all
	install -d "$(DESTDIR)$(LIBDIR)"
	install -m 644 $(EXTENSION) "$(DESTDIR)$(LIBDIR)/naver_serp.$(SUFFIX)"

uninstall:
	rm -f "$(DESTDIR)$(LIBDIR)/naver_serp.$(SUFFIX)"

clean:
	rm -rf $(BUILD)

.PHONY: all deps demo test lint format bench install uninstall clean
