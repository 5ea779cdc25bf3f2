"""`python -m minikube_py.cli`: the same as `minikube-py`."""

import sys

from minikube_py.cli.parser import main

sys.exit(main())
