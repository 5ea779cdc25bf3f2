"""Sub-resources that are not a plain view of their object: binding, finalize, log, exec, attach."""
