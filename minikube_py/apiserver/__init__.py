"""The API server: one generic registry over the store, served as Kubernetes' REST API."""
