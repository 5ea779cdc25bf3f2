"""The typed models, one module per group-version (`core_v1`, `apps_v1`, ...), loaded on first use by `api.scheme`.

All modules but this one and `base` are written by `tools/gen_types.py` (`make types`).
"""
