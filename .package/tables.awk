# Mends the output of go-md2man 2.0. In code only the first line's dot is kept from being
# taken for a request. Names stay whole, lines ragged, sentences a blank apart. Code and lists
# are indented little, since code does not wrap. In tables, a text block that is not in the last
# column is followed by its tab on a line of its own, which tbl takes for a new row; only some
# long cells are text blocks, which tbl can break; and no column gets the width that is left
# (x), so that a table is wider than the line.
function is_long(text) {
  gsub(/\\f[A-Z]/, "", text)
  return length(text) > 18 && text ~ / /
}

FNR == 1 && /^\.nh/ { next } # .TH turns hyphenation on again, so it has to follow that
/^\.TH/ { print; print ".nh"; print ".ad l"; print ".ss 12 0"; next }
/^\.RS$/ { print ".RS 2"; next }
/^\.nf$/ { in_code = 1; print; next }
/^\.fi$/ { in_code = 0 }
in_code && /^[.']/ { $0 = "\\&" $0 }
/^\.TS/ { in_table = 1; n = 0 }
!in_table { print; next }
/^\t/ && n && line[n] == "T}" { line[n] = line[n] $0; next }
{ line[++n] = $0 }
/^\.TE/ {
  split("", wide)
  column = 1
  for (i = 5; i < n; i++) { # Behind .TS, the options and two lines of formats
    if (line[i - 1] ~ /T{$/ && line[i] !~ /^T}/) continue # The text of a block
    cells = split(line[i], cell, "\t")
    if (cell[1] != "T}") column = 1
    line[i] = ""
    for (k = 1; k <= cells; k++) {
      if (cell[k] != "T{" && is_long(cell[k])) cell[k] = "T{\n" cell[k] "\nT}"
      if (cell[k] ~ /^T{/) wide[column + k - 1] = 1
      line[i] = line[i] (k > 1 ? "\t" : "") cell[k]
    }
    column += cells - 1
  }
  for (i = 1; i <= n; i++) {
    if (i == 3 || i == 4) {
      columns = split(line[i], cell, " ")
      line[i] = ""
      for (k = 1; k <= columns; k++)
        line[i] = line[i] ((k in wide) && cell[k] ~ /^l/ ? "lx" substr(cell[k], 2) : cell[k]) " "
    }
    print line[i]
  }
  in_table = 0
}
