"""Checks the fact files: refs resolve, protobuf numbers are unique, resources have structs."""

import json
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))


def load(name):
    with open(os.path.join(HERE, name), encoding="utf-8") as f:
        return json.load(f)


def main():
    t = load("types.json")
    types, strings, scalars = t["types"], t["stringTypes"], t["scalars"]
    errors = []

    def walk(where, e):
        kind = e["kind"]
        if kind == "ref":
            if e["ref"] not in types:
                errors.append(f"{where}: ref {e['ref']}")
        elif kind == "scalar":
            if e["name"] not in scalars:
                errors.append(f"{where}: scalar {e['name']}")
            if "/" in e.get("type", "") and e["type"] not in strings:
                errors.append(f"{where}: string type {e['type']}")
        elif kind == "list":
            walk(where, e["of"])
        elif kind == "map":
            walk(where, e["key"])
            walk(where, e["of"])
        else:
            errors.append(f"{where}: kind {kind}")

    fields = 0
    for name, v in types.items():
        if "alias" in v:
            walk(name, v["alias"])
            continue
        seen, keys = {}, set()
        for f in v["fields"]:
            fields += 1
            walk(f"{name}.{f['go']}", f["type"])
            if "json" in f:
                if f["json"] in keys:
                    errors.append(f"{name}: JSON name {f['json']} twice")
                keys.add(f["json"])
            if "pb" in f:
                n = f["pb"]["num"]
                if n in seen:
                    errors.append(f"{name}: number {n} in {seen[n]} and {f['go']}")
                seen[n] = f["go"]
            for g in f.get("featureGates", []):
                if g not in t["featureGates"]:
                    errors.append(f"{name}.{f['go']}: gate {g}")
            if f.get("listType") == "map" and not f.get("listMapKeys"):
                errors.append(f"{name}.{f['go']}: map list without keys")
        for _, n in v.get("pbReserved", []):
            if n in seen:
                errors.append(f"{name}: removed number {n} used by {seen[n]}")

    res = load("resources.json")["resources"]
    for r in res:
        for x in [r, *r.get("subresources", [])]:
            if x.get("type") not in types:
                errors.append(f"{r['plural']}: no struct for {x}")
    for file, key in (("columns.json", "kinds"), ("fieldselectors.json", "kinds"), ("defaults.json", "defaults")):
        for k in load(file)[key]:
            if k not in types:
                errors.append(f"{file}: {k}")
    roles = load("rbac.json")
    known = {x["name"] for x in roles["clusterRoles"] + roles["controllerRoles"]}
    for b in roles["clusterRoleBindings"] + roles["controllerRoleBindings"]:
        if b["roleRef"].split("/", 1)[1] not in known:
            errors.append(f"rbac.json: {b['name']} binds {b['roleRef']}")
    print(len(types), "types,", fields, "fields,", len(strings), "string types,")
    print(len(res), "resources,", len(errors), "errors")
    for e in errors:
        print(" ", e)
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
