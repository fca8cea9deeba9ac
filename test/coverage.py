"""Which lines of ext/ the tests reach: test/coverage.py FOLDER, after a run of what was built there.

Reads what gcov says and prints a table; the lines never reached, with their text, go to
FOLDER/never_reached.txt.
"""
import json
import pathlib
import subprocess
import sys


def read(folder):
    """{file: {line number: times}}"""
    names = sorted(str(path.resolve()) for path in folder.glob("*.gcda"))
    run = subprocess.run(["gcov", "--json-format", "--stdout", *names], check=True, capture_output=True)
    files = {}
    for document in run.stdout.decode().splitlines():
        for file in json.loads(document)["files"]:
            if file["file"].startswith("ext/"):
                lines = files.setdefault(file["file"], {})
                for line in file["lines"]:
                    n = line["line_number"]
                    lines[n] = max(lines.get(n, 0), line["count"])
    return files


def main(folder):
    files = read(folder)
    if not files:
        sys.exit(f"coverage.py: nothing was run in {folder}")
    all_lines = all_reached = 0
    with open(folder / "never_reached.txt", "w", encoding="utf-8") as never:
        for name, lines in sorted(files.items()):
            reached = sum(times > 0 for times in lines.values())
            all_lines, all_reached = all_lines + len(lines), all_reached + reached
            print("%-18s %5d lines %6.1f %%" % (name, len(lines), 100 * reached / len(lines)))
            text = pathlib.Path(name).read_text(encoding="utf-8").splitlines()
            never.writelines(f"{name}:{n}: {text[n - 1].strip()}\n" for n, times in sorted(lines.items()) if not times)
    print("%-18s %5d lines %6.1f %%" % ("all", all_lines, 100 * all_reached / all_lines))
    print(f"{all_lines - all_reached} lines never reached: {folder}/never_reached.txt")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
