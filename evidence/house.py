#!/usr/bin/env python3
"""Counts what the house is like: import circles, lengths of functions, who knows the whole recipe, rules about options, lines and crates.

  python3 evidence/house.py [ROOT]   of this tree, or of another one, such as a worktree of an earlier commit

What is counted, in code that is not a test:
  import circles    strongly connected sets of files within a crate, by `use crate::…`, `use super::…` and paths that begin so
  functions         lines from `fn` to its closing brace; median, 90th percentile, longest
  whole recipe      files of crates/limbeck/src that name the type `Recipe` or `CheckedRecipe`
  option rules      places that build an error about an option by hand (refused range, need or exclusion), in files that have options
  edits             which files name what is given on the command line: --names Relu,Huber counts files that name each
"""
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(sys.argv[1]).resolve() if len(sys.argv) > 1 and not sys.argv[1].startswith("--") else Path(__file__).resolve().parent.parent


def code(path):
    """The text of a file without its tests and comments."""
    text = path.read_text()
    cut = re.search(r"^#\[cfg\(test\)\]\n(pub\(crate\) )?mod tests", text, re.M)
    text = text[: cut.start()] if cut else text
    return "\n".join("" if line.lstrip().startswith("//") else line for line in text.split("\n"))


def sources():
    return sorted(path for path in ROOT.glob("crates/*/src/**/*.rs"))


def module(path, src):
    parts = list(path.relative_to(src).with_suffix("").parts)
    return tuple(part for part in parts if part not in ("mod", "lib", "main"))


def expand(tree):
    """Paths of a `use` tree."""
    tree = tree.strip()
    brace = tree.find("{")
    if brace < 0:
        return [tree.split(" as ")[0].strip()]
    head, inner, depth, parts, start = tree[:brace], tree[brace + 1 : tree.rfind("}")], 0, [], 0
    for at, c in enumerate(inner):
        depth += (c == "{") - (c == "}")
        if c == "," and depth == 0:
            parts.append(inner[start:at])
            start = at + 1
    parts.append(inner[start:])
    return [head + path for part in parts if part.strip() for path in expand(part)]


def edges(crate):
    src = crate / "src"
    files = {module(path, src): path for path in src.glob("**/*.rs")}
    exported = {}
    for name, path in files.items():
        if path.name in ("lib.rs", "main.rs"):
            for tree in re.findall(r"^pub use (?:self::|crate::)?([^;]+);", path.read_text(), re.M):
                for full in expand(re.sub(r"\s+", " ", tree)):
                    parts = tuple(full.split("::"))
                    exported[parts[-1]] = parts
    graph = {name: set() for name in files}
    for name, path in files.items():
        text = code(path)
        found = [full for tree in re.findall(r"\buse ((?:crate|super|self)::[^;]+);", text) for full in expand(re.sub(r"\s+", " ", tree))]
        found += re.findall(r"\b((?:crate|super)(?:::\w+)+)", text)
        for full in found:
            parts = full.split("::")
            here = name
            if parts[0] == "crate":
                parts, base = parts[1:], ()
            elif parts[0] == "self":
                parts, base = parts[1:], here
            else:
                base = here
                while parts and parts[0] == "super":
                    parts, base = parts[1:], base[:-1]
            target = (*base, *parts)
            if base == () and parts and parts[0] in exported and (parts[0],) not in files:
                target = (*exported[parts[0]],)
            while target and target not in files:
                target = target[:-1]
            if target and target != name:
                graph[name].add(target)
    return graph


def circles(graph):
    """Strongly connected sets of more than one file (Tarjan)."""
    index, low, stack, on, found = {}, {}, [], set(), []

    def visit(v):
        index[v] = low[v] = len(index)
        stack.append(v)
        on.add(v)
        for w in graph[v]:
            if w not in index:
                visit(w)
                low[v] = min(low[v], low[w])
            elif w in on:
                low[v] = min(low[v], index[w])
        if low[v] == index[v]:
            part = []
            while True:
                w = stack.pop()
                on.discard(w)
                part.append(w)
                if w == v:
                    break
            if len(part) > 1:
                found.append(sorted(part))

    sys.setrecursionlimit(10_000)
    for v in graph:
        if v not in index:
            visit(v)
    return found


def functions():
    lengths = []
    for path in sources():
        lines = code(path).split("\n")
        for at, line in enumerate(lines):
            match = re.match(r"^(\s*)(?:pub(?:\([^)]*\))? )?(?:const )?(?:unsafe )?(?:extern \"C\" )?fn (\w+)", line)
            if not match:
                continue
            for end in range(at, len(lines)):
                if lines[end].rstrip().endswith(";") and end == at:
                    break
                if lines[end].startswith(match[1] + "}"):
                    lengths.append((end - at + 1, f"{path.relative_to(ROOT)}:{at + 1} {match[2]}"))
                    break
                if end == at and line.rstrip().endswith("}"):
                    lengths.append((1, f"{path.relative_to(ROOT)}:{at + 1} {match[2]}"))
                    break
    return sorted(lengths)


def rules():
    """Errors about options that are built by hand, by file."""
    pattern = re.compile(r"Refused::new\(|(?<!fn )recipe_error\(|InvalidOption \{(?! \.\. \})|Error::option\(|\bcheck\(\s*\n|in_range\(\s*\n|out_of_range\(|return refuse\(|refused\(\s*\n|return bad\(|^\s*\(\s*\n\s*\"(?:\w+\.)*\w+\",$", re.M)
    found = {}
    for path in sources():
        if "limbeck-options" in path.parts or "limbeck-cli" in path.parts or "limbeck-runtime" in path.parts or "limbeck-nets" in path.parts:
            continue
        count = len(pattern.findall(code(path)))
        if count and re.search(r"Options\b|Recipe\b", code(path)):
            found[str(path.relative_to(ROOT))] = count
    return found


def main():
    total = 0
    for crate in sorted((ROOT / "crates").iterdir()):
        if (crate / "src").is_dir():
            for part in circles(edges(crate)):
                total += 1
                print(f"circle in {crate.name}: {len(part)} files: {', '.join('/'.join(name) for name in part)}")
    print(f"import circles: {total}")
    lengths = functions()
    n = len(lengths)
    print(f"functions: {n}; lines: median {lengths[n // 2][0]}, 90 % {lengths[n * 9 // 10][0]}, longest {lengths[-1][0]}")
    for length, name in lengths[::-1][:12]:
        print(f"  {length} {name}")
    # `Error::Recipe` is an error, not the type: where it is made, and where it is declared.
    named = re.compile(r"(?<!Error::)(?<!^    )\b(Checked)?Recipe\b", re.M)
    whole = [path.relative_to(ROOT) for path in sources() if path.parts[path.parts.index("crates") + 1] == "limbeck" and named.search(code(path))]
    print(f"files that know the whole recipe: {len(whole)}: {', '.join(path.stem if path.stem != 'mod' else path.parent.name for path in whole)}")
    by_file = rules()
    print(f"option rules outside declarations: {sum(by_file.values())}: {by_file}")
    lines = sum(len(path.read_text().split(chr(10))) for path in sources())
    own = sum(sum(1 for line in code(path).split(chr(10)) if line.strip()) for path in sources())
    print(f"files: {len(sources())}; lines in all {lines}, of code without tests, comments and empty lines {own}")
    long = sorted(((len(path.read_text().split(chr(10))), str(path.relative_to(ROOT))) for path in sources()), reverse=True)[:8]
    print("longest files: " + ", ".join(f"{name} {count}" for count, name in long))
    tree = subprocess.run(["cargo", "tree", "--workspace", "--edges", "normal", "--prefix", "none", "--no-dedupe", "--locked"], cwd=ROOT, capture_output=True, text=True).stdout
    print(f"crates: {len({line.split(' (')[0] for line in tree.splitlines() if line.strip()})}")
    names = next((argument.split("=", 1)[1].split(",") for argument in sys.argv if argument.startswith("--names=")), [])
    for name in names:
        files = [str(path.relative_to(ROOT)) for path in sources() if re.search(rf"\b{name}\b", code(path))]
        print(f"{name}: {len(files)} files: {', '.join(files)}")


if __name__ == "__main__":
    main()
