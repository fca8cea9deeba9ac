CC ?= cc
B = build
V = 0.1.0
P = sqlite3 libcurl libcjson
CFLAGS ?= -O2 -g
SRC = $(wildcard ext/*.c)
OBJ = $(SRC:ext/%.c=$(B)/%.o)
WARN = -Wall -Wextra -Wshadow
FLAGS = -std=c11 -D_DEFAULT_SOURCE -DNAVER_SERP_VERSION='"$(V)"' -fPIC -fvisibility=hidden $(WARN) -I$(B) $(shell pkg-config --cflags $(P))
all: $(B)/naver_serp.so
$(B)/naver_serp.so: $(OBJ)
	$(CC) -shared -o $@ $(OBJ) $(shell pkg-config --libs libcurl libcjson) -lm
$(B)/%.o: ext/%.c $(B)/store_sql.h $(wildcard ext/*.h)
	$(CC) $(CFLAGS) $(FLAGS) -c $< -o $@
$(B)/store_sql.h: sql/store.sql
	@mkdir -p $(B)
	(echo '#define STORE_SQL \'; sed 's/["\\]/\\&/g; s/^/  "/; s/$$/\\n" \\/' $<; echo '  ""') > $@
