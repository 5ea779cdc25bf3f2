"""How requests reach an API server: over HTTP(S) with aiohttp, or by calling its ASGI application in this process."""

from minikube_py.client.transport_app import AppTransport
from minikube_py.client.transport_base import Query, Response, Stream, Transport
from minikube_py.client.transport_wire import WireTransport

__all__ = ["AppTransport", "Query", "Response", "Stream", "Transport", "WireTransport"]
