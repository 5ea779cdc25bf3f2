"""The Kubernetes objects: types, schema, quantities, labels, selectors, patches, errors. Imports nothing above it."""
