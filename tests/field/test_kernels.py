"""The fast products and the row workers: exact, and gone when their block ends."""

from __future__ import annotations

import multiprocessing
import os
from threading import Barrier, Thread

import pytest
import torch
from waiting import PATIENCE

from recon.field.kernels import fast_kernels, parallel_rows
from recon.field.kernels.parallel_rows import in_parallel, row_workers
from recon.field.kernels.products import fast_products


@pytest.mark.parametrize(("n", "width"), [(1, 128), (700, 128), (1700, 96), (50, 257)])
def test_fast_products_are_exact(n: int, width: int) -> None:
    generator = torch.Generator().manual_seed(n)
    a, b = torch.randn(n, width, generator=generator), torch.randn(width, width, generator=generator)
    with fast_products():
        products = (a @ b, a @ b.t(), a.t() @ a)
    wide, square = a.double(), b.double()
    for product, exact in zip(products, (wide @ square, wide @ square.t(), wide.t() @ wide), strict=True):
        assert (product - exact).norm() < 2e-6 * exact.norm()


def test_settings_are_restored_also_after_an_error() -> None:
    before = torch.backends.mkldnn.matmul.fp32_precision, torch.get_num_threads()
    with pytest.raises(RuntimeError, match="on purpose"), fast_kernels():
        raise RuntimeError("on purpose")
    assert before == (torch.backends.mkldnn.matmul.fp32_precision, torch.get_num_threads())
    assert parallel_rows._pool is None


def test_rows_are_covered_once_and_in_order_by_any_number_of_workers() -> None:
    x = torch.arange(1000)
    for threads in (1, 2, 5):
        torch.set_num_threads(threads)
        with parallel_rows.row_workers(), parallel_rows.row_workers():  # the inner one changes nothing
            parts = parallel_rows.over_rows(lambda part: x[part], x)
        assert len(parts) == threads
        assert torch.equal(torch.cat(parts), x)


def test_an_error_in_a_worker_reaches_the_caller() -> None:
    def work(item: int) -> int:
        if item == 2:
            raise ValueError("the second")
        return item

    torch.set_num_threads(2)
    with parallel_rows.row_workers(), pytest.raises(ValueError, match="the second"):
        parallel_rows.in_parallel(work, [0, 1, 2])


def test_items_may_be_shared_again_from_within_an_item() -> None:
    """No worker waits for one that is busy with the item it is in itself."""
    sums: list[int] = []

    def within() -> None:
        torch.set_num_threads(2)
        with parallel_rows.row_workers():
            sums.extend(parallel_rows.in_parallel(lambda n: sum(in_parallel(int, range(n))), range(20)))

    thread = Thread(target=within, daemon=True)
    thread.start()
    thread.join(PATIENCE)
    assert sums == [n * (n - 1) // 2 for n in range(20)]


def test_all_workers_take_items_until_none_is_left() -> None:
    meeting = Barrier(2, timeout=60)
    torch.set_num_threads(2)
    with parallel_rows.row_workers():
        parallel_rows.in_parallel(lambda item: meeting.wait(), range(10))  # each needs another at work


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:This process")  # that it has threads, as it has
@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are not forked here")
def test_a_forked_process_does_not_wait_for_threads_that_are_not_there() -> None:
    """As multiprocessing's workers are on Linux, of a program that has used several threads."""
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        torch.randn(1000, 1000) @ torch.randn(1000, 1000)
        with row_workers():
            in_parallel(torch.exp, [torch.zeros(3), torch.zeros(3)])
            process = multiprocessing.get_context("fork").Process(target=_many_products)
            process.start()
        process.join(PATIENCE)
        assert process.exitcode == 0
    finally:
        process.kill()
        torch.set_num_threads(threads)


def _many_products() -> None:
    torch.randn(1000, 1000).exp().sum()
    in_parallel(torch.exp, [torch.zeros(3), torch.zeros(3)])
