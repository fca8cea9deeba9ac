# Mends the output of go-md2man 2.0. No word is hyphenated, names are whole. In tables, a text block that is not in the last column is
# followed by its tab on a line of its own, which tbl takes for a new row; and columns that
# hold text blocks get the width that is left (x), so that a table fits the line.
FNR == 1 && /^\.nh/ { next } # .TH turns hyphenation on again: it has to go behind
/^\.TH/ { print; print ".nh"; next }
/^\.TS/ { in_table = 1; n = 0 }
!in_table { print; next }
/^\t/ && n && line[n] == "T}" { line[n] = line[n] $0; next }
{ line[++n] = $0 }
/^\.TE/ {
  split("", wide)
  column = 1
  for (i = 1; i <= n; i++) {
    rest = line[i]
    if (rest !~ /^T}/) column = 1
    cells = split(rest, cell, "\t")
    if (rest ~ /T{$/) { wide[column + cells - 1] = 1 }
    column += cells - 1
  }
  for (i = 1; i <= n; i++) {
    if (line[i] ~ /^l[l ]*\.?$/) {
      columns = split(line[i], cell, " ")
      line[i] = ""
      for (k = 1; k <= columns; k++)
        line[i] = line[i] ((k in wide) && cell[k] ~ /^l/ ? "lx" substr(cell[k], 2) : cell[k]) " "
    }
    print line[i]
  }
  in_table = 0
}
