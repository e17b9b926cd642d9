"""`analysis.linear`: trained together, on cores or batched, is trained alone in plain torch on the same batches."""

from __future__ import annotations

import tempfile
import threading
from dataclasses import replace

import numpy as np
import pytest
import torch

from latentfx_nb.analysis.fast import batched, cores
from latentfx_nb.analysis.fast.linear import compile_kernels, train
from latentfx_nb.analysis.fast.rows import Rows, StoredRows
from latentfx_nb.analysis.fast.task import Progress, Task, Training

FORMS = ("cores", "batched")


def trained(form, tasks, watch=lambda epochs, accuracy: None):
    """Train on the cores, or in the form that a GPU runs, here on the CPU."""
    return (
        train(tasks, "cpu", watch) if form == "cores" else batched.train_batched(tasks, Progress(tasks), watch, "cpu")
    )


def task(n=300, width=12, labels=10, signal=0.4, seed=0, seen=None, **training):
    generator = np.random.default_rng(seed)
    truth = generator.integers(0, labels, n)
    x = generator.standard_normal((n, width)) + signal * generator.standard_normal((labels, width))[truth]
    x = (3 * x + 5).astype(np.float32)
    parts = np.split(generator.permutation(n), [n * 3 // 5, n * 4 // 5])
    mean, scale = x[parts[0]].mean(0), 1 / x[parts[0]].std(0)
    return Task(Rows(x), truth, labels, *parts, mean, scale, Training(**training), seen, seed)


def plain(one):
    """Train a task of one probe in plain torch; return weights, epoch, validation accuracy, loss and named labels."""
    x = (torch.from_numpy(one.rows.values) - torch.from_numpy(one.mean)) * torch.from_numpy(one.scale)
    if one.seen is not None:
        x = x * torch.from_numpy(one.seen[0])
    truth, binary, how = torch.from_numpy(one.labels), one.outputs == 1, one.training
    layer = torch.nn.Linear(x.shape[1], one.outputs)
    first = torch.from_numpy(one.first_weights())
    layer.weight.data, layer.bias.data = first[:-1].T.contiguous(), first[-1].contiguous()
    optimizer = torch.optim.AdamW(layer.parameters(), lr=how.learning_rate, weight_decay=how.weight_decay)

    def loss(rows):
        z = layer(x[rows])
        if binary:
            return torch.nn.functional.binary_cross_entropy_with_logits(z[:, 0], truth[rows].float())
        return torch.nn.functional.cross_entropy(z, truth[rows])

    def named(rows):
        with torch.no_grad():
            z = layer(x[rows])
        return (z[:, 0] > 0).long() if binary else z.argmax(1)

    best, risen = (-1.0, 0.0), 0
    for epoch, order in zip(range(how.max_epochs), one.orders(), strict=False):
        for start in range(0, len(order), how.batch_size):
            optimizer.zero_grad()
            loss(order[start : start + how.batch_size]).backward()
            optimizer.step()
        accuracy = float((named(one.validation) == truth[one.validation]).double().mean())
        risen = epoch if accuracy > best[0] else risen
        with torch.no_grad():
            found = accuracy, -float(loss(one.validation))
        if found > best[:2]:  # the better accuracy; of equals, the smaller loss
            weights = torch.cat([layer.weight.data.T, layer.bias.data[None]]).clone().numpy()
            best = *found, epoch, weights, named(one.test).numpy()
        if how.patience is not None and epoch - risen >= how.patience:
            break
    accuracy, gain, epoch, weights, labels = best
    return accuracy, epoch, weights, -gain, labels


def one_each_way(seen=None):
    """Tasks of different rows, sizes, labels and rates: in batches of 32, their last ones are of different sizes."""
    return [
        task(300, patience=20, seed=1, max_epochs=60),
        task(325, patience=20, seed=2, max_epochs=60),
        task(200, width=7, labels=2, signal=0.6, patience=None, max_epochs=50, seed=3),
        task(90, width=40, labels=3, patience=5, max_epochs=60, seed=4, learning_rate=1e-3, weight_decay=0.3),
    ]


@pytest.mark.parametrize("form", FORMS)
def test_together_is_alone_in_plain_torch(form):
    """The same stops, labels and weights; float32 sums in another order are all that differs."""
    tasks = one_each_way()
    for ours, one in zip(trained(form, tasks), tasks, strict=True):
        accuracy, epoch, weights, loss, named = plain(one)
        assert ours.epoch == [epoch]
        assert ours.validation == [pytest.approx(accuracy)]
        assert ours.loss == [pytest.approx(loss, rel=1e-4)]
        np.testing.assert_allclose(ours.weights[0], weights, atol=1e-4)
        np.testing.assert_array_equal(ours.predicted[0], named)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("labels", [2, 4])
def test_masked_probes_that_share_their_batches_are_trained_as_each_alone(form, labels):
    seen = ~np.eye(6, dtype=bool)
    together = task(250, 6, labels, seen=seen, patience=8, max_epochs=60)
    ours = trained(form, [together])[0]
    assert len(set(ours.epoch)) > 1  # some stop before others
    for number in range(6):
        accuracy, epoch, weights, _, named = plain(replace(together, seen=seen[number : number + 1]))
        assert ours.epoch[number] == epoch
        assert ours.validation[number] == pytest.approx(accuracy)
        np.testing.assert_allclose(ours.weights[number], weights, atol=1e-4)
        np.testing.assert_array_equal(ours.predicted[number], named)
        assert (ours.weights[number, number] == 0).all()


@pytest.mark.parametrize("form", FORMS)
def test_tasks_of_the_same_rows_that_stop_at_different_times(form):
    """Those that are left go on undisturbed when others have stopped."""
    shared = task(400, seed=5, patience=6, max_epochs=80)
    generator = np.random.default_rng(6)
    tasks = []
    for size in (100, 161, 240):
        parts = np.split(generator.permutation(400)[: size + 80], [size, size + 40])
        tasks.append(replace(shared, train=parts[0], validation=parts[1], test=parts[2], seed=size))
    found = trained(form, tasks)
    assert len({int(one.epoch[0]) for one in found}) > 1
    for ours, one in zip(found, tasks, strict=True):
        assert ours.epoch == [plain(one)[1]]
        np.testing.assert_allclose(ours.weights[0], plain(one)[2], atol=1e-4)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("stored", [False, True])
def test_half_precision_rows_are_read_exactly(form, stored):
    values = np.array([0, -0.0, 1, -1, 6e-8, -6e-8, 6.1e-5, 65504, -65504, 1 / 3], np.float16)
    one = task(300, 12, seed=7, max_epochs=5, patience=None)
    half = one.rows.values.astype(np.float16)
    half[:10, 0] = values
    one = replace(one, scale=np.full(12, 1e-2, np.float32))
    (expected,) = trained(form, [replace(one, rows=Rows(half.astype(np.float32)))])
    with tempfile.TemporaryFile(buffering=0) as file:
        file.write(half.tobytes())
        rows = StoredRows(file, half.shape) if stored else Rows(half)
        np.testing.assert_array_equal(rows.read(slice(3, 20)), half[3:20])
        (ours,) = trained(form, [replace(one, rows=rows)])
    np.testing.assert_array_equal(ours.weights, expected.weights)
    np.testing.assert_array_equal(ours.predicted, expected.predicted)


def test_every_half_precision_number_is_read_as_numpy_reads_it():
    half = np.arange(2**16, dtype=np.uint16).view(np.float16)
    half = half[np.isfinite(half)]
    into = np.ones((len(half), 2), np.float32)
    rows = np.arange(len(half))
    cores._gather(half.view(np.uint16)[:, None], rows, np.zeros(1, np.float32), np.ones(1, np.float32), into)
    np.testing.assert_array_equal(into[:, 0], half.astype(np.float32))
    assert (into[:, 1] == 1).all()


def test_a_scratch_file_that_ends_early_is_an_error():
    with tempfile.TemporaryFile(buffering=0) as file:
        file.write(bytes(100))
        with pytest.raises(OSError, match="ended early, at row 0"):
            StoredRows(file, (10, 12)).read(slice(0, 10))


def test_the_same_seed_gives_the_same_bits_and_another_others():
    one = task(max_epochs=5)
    first, again, other = trained("cores", [one, one, replace(one, seed=1)])
    np.testing.assert_array_equal(first.weights, again.weights)
    assert (first.weights != other.weights).all()


def test_two_labels_share_a_logit_and_more_do_not():
    assert task(labels=2).outputs == 1
    assert task(labels=3).outputs == 3


@pytest.mark.parametrize("form", FORMS)
def test_progress_is_told_and_ends_at_the_last_epoch(form):
    tasks, seen = one_each_way(), []
    trained(form, tasks, lambda epochs, accuracy: seen.append((epochs, accuracy)))
    epochs, accuracy = seen[-1]
    assert epochs.tolist() == [one.training.max_epochs for one in tasks]  # also of those that stopped before
    assert ((accuracy > 0.1) & (accuracy <= 1)).all()
    assert all((one <= other).all() for (one, _), (other, _) in zip(seen, seen[1:], strict=False))


@pytest.mark.parametrize("form", FORMS)
def test_what_the_watcher_raises_ends_the_training(form):
    calls, before = [], threading.active_count()

    def stop(epochs, accuracy):
        calls.append(epochs)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trained(form, [task(max_epochs=10**6, patience=None, seed=seed) for seed in range(4)], stop)
    assert len(calls) == 1
    assert threading.active_count() <= before  # nobody trains on


def test_what_goes_wrong_on_a_thread_is_raised_here():
    class Broken(Rows):
        def parts(self, rows, batch):
            raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        train([task(), replace(task(), rows=Broken(np.zeros((300, 12), np.float32)))])


@pytest.mark.parametrize("setting", [{"learning_rate": 0}, {"batch_size": -1}, {"max_epochs": 0}, {"patience": 0}])
def test_a_setting_that_trains_nothing_is_an_error(setting):
    with pytest.raises(ValueError, match="trains nothing: it must be above zero"):
        Training(**setting)


def test_a_negative_weight_decay_is_an_error():
    with pytest.raises(ValueError, match="must not be negative"):
        Training(weight_decay=-0.1)


def test_compiled_ahead_nothing_is_compiled_in_training():
    compile_kernels()
    compiled = cores._steps.signatures
    for one in one_each_way():
        train([replace(one, training=Training(max_epochs=1))])
    train([task(seen=~np.eye(12, dtype=bool), max_epochs=1)])
    assert cores._steps.signatures == compiled
