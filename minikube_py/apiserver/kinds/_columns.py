"""The columns that nearly every kind has."""

from __future__ import annotations

from minikube_py.apiserver.kinds.base import Column

NAME = Column("Name", format="name", description="The object's name, unique among its kind in its namespace.")
AGE = Column("Age", description="How long ago the server stored the object for the first time.")
CREATED_AT = Column("Created At", "date", description="When the server stored the object for the first time.")
"""What kinds without columns of their own show instead of an age."""
