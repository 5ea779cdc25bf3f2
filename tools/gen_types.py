"""Writes `minikube_py/api/types/*.py` from the tables in `tools/facts` and the sentences in `tools/docs`.

python tools/gen_types.py            write the modules
python tools/gen_types.py --check    say what differs and exit 1, write nothing
"""

from __future__ import annotations

import json
import keyword
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel

HERE = Path(__file__).parent
TARGET = HERE.parent / "minikube_py" / "api" / "types"
WIDTH = 120

# runtime has only protobuf's envelope, which api/protobuf knows by itself.
SKIPPED = {"runtime"}
SCALARS = {
    "string": "str", "bool": "bool", "int32": "Int32", "int64": "Int64", "int": "Int32", "float64": "float",
    "bytes": "Bytes", "any": "JSON",
}  # fmt: skip
NOT_LITERAL = {"discovery/v1.AddressType": ("IPv4", "IPv6")}
"""Values that upstream makes of another package's constants, which the table of literal ones does not have."""
FROM_BASE = {
    "Int32", "Int64", "Bytes", "Quantity", "IntOrString", "Time", "MicroTime", "Duration", "FieldsV1", "RawExtension",
    "JSON",
}  # fmt: skip
# A member of one of these names would hide the type, or a method of the base class.
TAKEN = {"int", "str", "bool", "float", "list", "dict", "field", "to_dict"} | {
    n for n in dir(BaseModel) if not n.startswith("__")
}


class Tables:
    """The facts, the sentences, and what follows from both."""

    def __init__(self) -> None:
        facts = json.loads((HERE / "facts" / "types.json").read_text())
        self.types: dict[str, Any] = facts["types"]
        self.packages: dict[str, Any] = facts["packages"]
        self.strings: dict[str, Any] = facts["stringTypes"]
        self.docs = {p: read_docs(HERE / "docs" / f"{module_name(p)}.txt") for p in self.packages}
        self.common = read_docs(HERE / "docs" / "common.txt")
        self.users: dict[str, str] = {}
        for name, entry in self.types.items():
            for f in entry.get("fields", ()):
                for ref in refs(f["type"]):
                    self.users.setdefault(ref, f"{name.split('.')[-1]}.{f.get('json', f['go'])}")

    def struct_doc(self, name: str) -> str:
        package, _, short = name.rpartition(".")
        written = self.docs[package].get(short, {}).get("")
        if written:
            return written
        if short.endswith("List") and self.types[name].get("kind") == short:
            return f"A list of {short[:-4]} objects."
        if name in self.users:
            return f"The content of {self.users[name]}."
        return f"The {short} object of {package}."

    def field_doc(self, name: str, json_name: str, facts: dict[str, Any]) -> str:
        package, _, short = name.rpartition(".")
        text = self.docs[package].get(short, {}).get(json_name) or self.common.get("*", {}).get(json_name, "")
        if not text and short.endswith("List"):
            text = self.common.get("*List", {}).get(json_name, "")
        if facts.get("deprecated") and "eprecated" not in text:
            text = f"Deprecated. {text}".strip()
        return text


def read_docs(path: Path) -> dict[str, dict[str, str]]:
    """`Struct: sentence` lines, below each `  member: sentence`; deeper lines go on; `#` starts a comment line."""
    found: dict[str, dict[str, str]] = {}
    if not path.exists():
        return found
    struct, member = "", ""
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        indent = len(line) - len(line.lstrip())
        if indent > 2:
            found[struct][member] += " " + line.strip()
            continue
        name, colon, text = line.strip().partition(":")
        if not colon:
            raise SystemExit(f"{path.name}:{number}: no colon")
        if indent == 0:
            struct, member = name, ""
            found[struct] = {"": text.strip()}
        else:
            member = name
            found[struct][member] = text.strip()
    return found


def module_name(package: str) -> str:
    return package.replace("/", "_")


def refs(node: dict[str, Any]) -> Iterator[str]:
    if node["kind"] == "ref":
        yield node["ref"]
    elif node["kind"] in ("list", "map"):
        yield from refs(node["of"])


class Module:
    """The text of one package's module."""

    def __init__(self, tables: Tables, package: str) -> None:
        self.tables = tables
        self.package = package
        self.base: set[str] = set()
        self.imports: dict[str, set[str]] = {}
        self.aliases: dict[str, str] = {}
        self.body: list[str] = []
        self.done: set[str] = set()
        self.open: list[str] = []

    def text(self) -> str:
        info = self.tables.packages[self.package]
        for name in self.tables.types:
            if name.rpartition(".")[0] == self.package:
                self.emit(name)
        about = self.tables.docs[self.package].get("", {}).get("") or f"The types of {self.package}."
        origin = "Generated by tools/gen_types.py: change the tables there, not this file."
        lines = [f'"""{about}', "", origin, '"""', ""]
        typing = [n for n in ("Annotated",) if any("Annotated[" in a for a in self.aliases.values())]
        if typing:
            lines += [f"from typing import {', '.join(typing)}", ""]
        lines += import_lines("minikube_py.api.types.base", self.base | {"field"})
        for package in sorted(self.imports):
            lines += import_lines(f"minikube_py.api.types.{module_name(package)}", self.imports[package])
        lines = lines[:5] + sorted_imports(lines[5:])
        lines += ["", f'GROUP = "{info.get("group", "")}"', f'VERSION = "{info.get("version", "")}"']
        lines += [f'OPENAPI = "{info["openapi"]}"']
        if self.aliases:
            lines += ["", *(self.aliases[n] for n in sorted(self.aliases))]
        return "\n".join(lines + self.body) + "\n"

    def emit(self, name: str) -> None:
        """Append the class of struct `name`, after those that it needs."""
        if name in self.done or name.rpartition(".")[0] != self.package:
            return
        entry = self.tables.types[name]
        self.done.add(name)
        if "alias" in entry and entry["alias"]["kind"] != "ref":
            self.open.append(name)
            for ref in refs(entry["alias"]):
                self.emit(ref)
            self.open.pop()
            return
        if "jsonForm" in entry:
            return
        if "alias" in entry:
            entry = {**self.tables.types[entry["alias"]["ref"]], **entry}
        self.open.append(name)
        for f in entry["fields"]:
            for ref in refs(f["type"]):
                self.emit(ref)
                alias = self.tables.types[ref].get("alias")
                for inner in refs(alias) if alias else ():
                    self.emit(inner)
        self.body += ["", "", *self.class_lines(name, entry)]
        self.open.pop()

    def class_lines(self, name: str, entry: dict[str, Any]) -> list[str]:
        short = name.rpartition(".")[2]
        bases, options = [], []
        for f in entry["fields"]:
            if f.get("inline"):
                bases.append(self.reference(f["type"]["ref"]))
                if "pb" in f:
                    options.append(f"embedded={f['pb']['num']}")
        if not bases:
            bases = ["Model"]
            self.base.add("Model")
        assert len(bases) == 1, name
        if entry.get("kind"):
            options.append(f'kind="{entry["kind"]}"')
        if entry.get("structType") == "atomic":
            options.append("atomic=True")
        lines = [f"class {short}({', '.join(bases + options)}):", *docstring(self.tables.struct_doc(name))]
        members = [self.member_lines(name, f) for f in entry["fields"] if not f.get("inline") and f["json"] != "-"]
        if members:
            lines += ["", *(line for member in members for line in member)]
        return lines

    def member_lines(self, owner: str, f: dict[str, Any]) -> list[str]:
        name = f["json"]
        attribute = name
        if not name.isidentifier():
            attribute = "".join(c if c.isalnum() else "_" for c in name).strip("_")
        if keyword.iskeyword(attribute) or attribute in TAKEN:
            attribute += "_"
        annotation = self.annotation(f["type"]) + (" | None" if f.get("pointer") else "")
        if any(ref in self.open for ref in self.deep_refs(f["type"])):
            annotation = f'"{annotation}"'
        arguments = [str(f.get("pb", {}).get("num", 0))]
        doc = self.tables.field_doc(owner, name, f)
        options = list(self.options(f))
        if attribute != name:
            options.append(f'alias="{name}"')
        head = f"    {attribute}: {annotation} = field("
        line = head + ", ".join(arguments + ([quoted(doc)] if doc else []) + options) + ")"
        if len(line) <= WIDTH:
            return [line]
        inner = [*arguments, *options]
        lines = [head]
        if doc and 8 + len(arguments[0]) + 2 + len(quoted(doc)) + 1 <= WIDTH:
            lines.append(f"        {arguments[0]}, {quoted(doc)},")
        elif doc:
            parts = textwrap.wrap(doc, WIDTH - 24, drop_whitespace=False)
            lines.append(f"        {arguments[0]},")
            lines += [f"        {quoted(p)}" for p in parts]
            lines[-1] += ","
        else:
            lines.append(f"        {arguments[0]},")
        if inner[1:]:
            lines += fill([f"{option}," for option in inner[1:]], 8)
        return [*lines, "    )"]

    def options(self, f: dict[str, Any]) -> Iterator[str]:
        required = bool(f.get("required"))
        if required:
            yield "required=True"
        omitempty = bool(f.get("omitempty") or f.get("omitzero"))
        if omitempty == required:
            yield f"omitempty={omitempty}"
        target = self.tables.types.get(f["type"].get("ref", ""), {})
        kind = target.get("alias", f["type"])["kind"]
        if kind == "list":
            list_type = f.get("listType") or target.get("listType") or "atomic"
            if list_type != "atomic":
                yield f'list_type="{list_type}"'
            keys = [f'"{k}"' for k in f.get("listMapKeys", ())]
            if keys:
                yield f"keys=({', '.join(keys)}{',' if len(keys) == 1 else ''})"
        if kind == "map" and f.get("mapType", target.get("mapType")) == "atomic":
            yield "atomic=True"
        if kind == "ref" and f.get("structType", target.get("structType")) != target.get("structType"):
            yield f"atomic={f['structType'] == 'atomic'}"
        if f.get("patchMergeKey"):
            yield f'merge_key="{f["patchMergeKey"]}"'
        strategy = f.get("patchStrategy", "")
        if strategy and not (strategy == "merge" and f.get("patchMergeKey")):
            yield f'strategy="{strategy}"'
        if "default" in f:
            yield f"default={json_literal(f['default'])}"
        proto = f.get("pb", {}).get("proto", "")
        if proto and proto != self.derived_proto(f["type"]):
            yield f'proto="{proto}"'

    def derived_proto(self, node: dict[str, Any]) -> str:
        """What api.scheme concludes from the annotation alone; `proto=` is written where the table says otherwise."""
        if node["kind"] == "list":
            return "repeated " + self.derived_proto(node["of"])
        if node["kind"] == "map":
            return f"map<string, {self.derived_proto(node['of'])}>"
        if node["kind"] == "ref":
            entry = self.tables.types[node["ref"]]
            if "jsonForm" in entry:
                return PROTO_NAMES["JSON"]
            return self.derived_proto(entry["alias"]) if "alias" in entry else str(node["ref"])
        return PROTO_NAMES.get(node["name"], str(node["name"]))

    def annotation(self, node: dict[str, Any]) -> str:
        if node["kind"] == "list":
            return f"list[{self.annotation(node['of'])}]"
        if node["kind"] == "map":
            return f"dict[str, {self.annotation(node['of'])}]"
        if node["kind"] == "ref":
            entry = self.tables.types[node["ref"]]
            if "jsonForm" in entry:
                return self.scalar("JSON")
            if "alias" in entry and entry["alias"]["kind"] != "ref":
                return self.annotation(entry["alias"])
            return self.reference(node["ref"])
        enum = self.tables.strings.get(node.get("type", ""), {})
        if enum.get("enum"):
            return self.enum(node["type"], enum)
        return self.scalar(SCALARS.get(node["name"], node["name"]))

    def scalar(self, name: str) -> str:
        if name in FROM_BASE:
            self.base.add(name)
        return name

    def enum(self, name: str, entry: dict[str, Any]) -> str:
        """The alias of a string type with a closed set of values; defined in its own package's module."""
        package, _, short = name.rpartition(".")
        if package != self.package:
            self.imports.setdefault(package, set()).add(short)
            return short
        self.base.add("OneOf")
        values = [f'"{v}"' for v in sorted((*entry["values"].values(), *NOT_LITERAL.get(name, ())))]
        line = f"{short} = Annotated[str, OneOf({', '.join(values)})]"
        if len(line) > WIDTH:
            inner = "\n".join(fill([f"{v}," for v in values], 8))
            line = f"{short} = Annotated[\n    str,\n    OneOf(\n{inner}\n    ),\n]"
        self.aliases[short] = line
        return short

    def reference(self, name: str) -> str:
        package, _, short = name.rpartition(".")
        if package == self.package:
            return short
        if f"{self.package}.{short}" in self.tables.types:
            raise SystemExit(f"{self.package} has its own {short} and uses {name}: import it by another name")
        self.imports.setdefault(package, set()).add(short)
        return short

    def deep_refs(self, node: dict[str, Any]) -> Iterator[str]:
        for ref in refs(node):
            yield ref
            alias = self.tables.types[ref].get("alias")
            if alias:
                yield from refs(alias)


PROTO_NAMES = {
    "float64": "double", "int": "int32", "Time": "meta/v1.Time", "MicroTime": "meta/v1.MicroTime",
    "Duration": "meta/v1.Duration", "FieldsV1": "meta/v1.FieldsV1", "RawExtension": "runtime.RawExtension",
    "JSON": "apiextensions/v1.JSON",
}  # fmt: skip


def json_literal(value: Any) -> str:
    return quoted(value) if isinstance(value, str) else repr(value)


def quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def docstring(text: str) -> list[str]:
    if len(text) + 10 <= WIDTH:
        return [f'    """{text}"""']
    wrapped = textwrap.wrap(text, WIDTH - 7)
    return [f'    """{wrapped[0]}', *(f"    {w}" for w in wrapped[1:]), '    """']


def fill(items: list[str], indent: int) -> list[str]:
    """Items side by side, as many to a line as fit."""
    lines = [" " * indent + items[0]]
    for item in items[1:]:
        if len(lines[-1]) + 1 + len(item) <= WIDTH:
            lines[-1] += " " + item
        else:
            lines.append(" " * indent + item)
    return lines


def import_lines(module: str, names: set[str]) -> list[str]:
    # ruff's order: constants, classes, functions; each without regard to case.
    ordered = sorted(names, key=lambda n: (0 if n.isupper() and len(n) > 1 else 1 if n[0].isupper() else 2, n))
    line = f"from {module} import {', '.join(ordered)}"
    if len(line) <= WIDTH:
        return [line]
    return [f"from {module} import (", *(f"    {n}," for n in ordered), ")"]


def sorted_imports(lines: list[str]) -> list[str]:
    """Import statements (some of several lines) by module name; the standard library's stay ahead."""
    head = [line for line in lines if line.startswith("from typing")]
    rest: list[str] = []
    for line in lines:
        if line.startswith("from minikube_py"):
            rest.append(line)
        elif line and not line.startswith("from typing"):
            rest[-1] += "\n" + line
    return [*head, *([""] if head else []), *sorted(rest)]


def generate() -> dict[str, str]:
    """The text of every generated module, by file name."""
    tables = Tables()
    return {
        f"{module_name(package)}.py": Module(tables, package).text()
        for package in tables.packages
        if package not in SKIPPED
    }


def main() -> int:
    modules = generate()
    kept = {"__init__.py", "base.py"}
    stale = {p.name for p in TARGET.glob("*.py")} - set(modules) - kept
    different = [n for n, text in modules.items() if not (TARGET / n).exists() or (TARGET / n).read_text() != text]
    if "--check" in sys.argv[1:]:
        for name in sorted(stale | set(different)):
            print(f"{name} is not what the tables say; run `make types`")
        return 1 if stale or different else 0
    for name in stale:
        (TARGET / name).unlink()
    for name in different:
        (TARGET / name).write_text(modules[name])
    print(f"{len(modules)} modules, {len(different)} changed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
