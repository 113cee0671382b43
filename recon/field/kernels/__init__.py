"""Fast versions of what `recon.field` defines, each tested against its plain version."""

from collections.abc import Iterator
from contextlib import contextmanager

from recon.field.kernels.memory import keep_freed_memory
from recon.field.kernels.parallel_rows import row_workers
from recon.field.kernels.products import fast_products


@contextmanager
def fast_kernels() -> Iterator[None]:
    """Within it, fields are evaluated and trained as fast as this machine can, with the same results."""
    keep_freed_memory()
    with fast_products(), row_workers():
        yield
