"""What every family of surrogates must satisfy, whatever it learnt."""

from dataclasses import replace

import numpy as np
import pytest

from sim.description import Description, SystemDescription
from sim.epoch import Quantity
from surrogates.baselines import (
    MeanSurrogate,
    NearestNeighbourSettings,
    fit_mean,
    fit_nearest_neighbours,
)
from surrogates.dataset import Transitions
from surrogates.errors import InvalidDataset, InvalidQuestion
from surrogates.families import DEFAULT_SETTINGS, FAMILIES, LOADERS, fit_family
from surrogates.forecast import predict
from surrogates.interface import (
    Epochs,
    SupportsDoubt,
    SupportsFunctionDraws,
    SupportsLikelihood,
    SupportsUpdate,
    Surrogate,
)
from tests.surrogates.conftest import SMALL_SETTINGS
from tests.systems import unchecked

each_family = pytest.mark.parametrize("family", sorted(FAMILIES))


def imbalance(description: SystemDescription, before: np.ndarray, epochs: Epochs) -> float:
    """Largest error of stock' = stock + inflows - outflows over rows and stocks."""
    worst = 0.0
    for at, stock in enumerate(description.stocks):
        expected = before[:, at].copy()
        for flow, values in zip(description.flows, epochs.outputs.T, strict=False):
            expected += values * (
                float(flow.target == stock.name) - float(flow.source == stock.name)
            )
        worst = max(worst, float(np.abs(epochs.state[:, at] - expected).max()))
    return worst


def extreme_inputs(
    description: SystemDescription, seed: int, largest: int, rows: int = 24
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Reachable or not: any stocks up to `largest`, any day, epoch, decision and parameters."""
    random = np.random.default_rng(seed)
    states = random.integers(0, largest + 1, (rows, len(description.state_names))).astype(float)
    states[:, -2] = random.integers(len(description.calendar.values), size=rows)
    states[:, -1] = random.integers(description.epochs, size=rows)
    box = np.array([[p.low, p.high] for p in description.parameters]).T
    parameters = random.uniform(0.5 * box[0], 2.0 * box[1], (rows, box.shape[1]))
    return states, random.choice(description.decisions, rows), parameters


@each_family
@pytest.mark.parametrize("largest", [0, 1, 30, 5_000, 1_000_000])
@pytest.mark.parametrize("seed", range(4))
def test_every_draw_conserves_customers(
    family: str,
    largest: int,
    seed: int,
    fitted: dict[str, Surrogate],
    description: SystemDescription,
) -> None:
    """A policy would learn to use any leak, so no state however odd may lose or make a customer."""
    states, decisions, parameters = extreme_inputs(description, seed, largest)
    epochs = fitted[family].sample(states, decisions, parameters, np.random.default_rng(seed))
    stocks, flows = len(description.stocks), len(description.flows)
    assert imbalance(description, states, epochs) == 0.0
    assert np.isfinite(epochs.outputs).all()
    assert (epochs.outputs >= 0).all()
    assert (epochs.state[:, :stocks] >= 0).all()
    whole = np.concatenate([epochs.state[:, :stocks], epochs.outputs[:, :flows]], axis=1)
    assert np.array_equal(whole, np.rint(whole))


@each_family
@pytest.mark.parametrize(
    ("part", "column", "value", "fault"),
    [
        (0, 0, np.nan, "'.*' is nan: give a finite number"),
        (0, -2, 2.0, "'day' is 2: they are numbered from 0 to 1"),
        (0, -1, -1.0, "'epoch' is -1: they are numbered from 0 on"),
        (1, 0, 77.0, "lever '.*' at 77: a share from 0 to 1; it offers 0, "),
        (2, 0, 0.0, "parameter '.*' is 0.0: give a number above 0"),
    ],
)
def test_what_the_simulator_would_refuse_is_refused(
    family: str,
    part: int,
    column: int,
    value: float,
    fault: str,
    fitted: dict[str, Surrogate],
    description: SystemDescription,
    held_out: Transitions,
) -> None:
    """Whatever a model answers, it is of no system: a policy would be trained on it for hours."""
    asked = extreme_inputs(description, seed=5, largest=40)
    asked[part][3, column] = value
    with pytest.raises(InvalidQuestion, match=fault):
        fitted[family].sample(*asked, np.random.default_rng(9))
    if not isinstance(fitted[family], SupportsLikelihood):
        return
    seen = held_out.take(np.arange(len(asked[0])))
    told = replace(seen, **dict(zip(("state", "decision", "parameters"), asked, strict=True)))
    with pytest.raises(InvalidQuestion, match=fault):
        fitted[family].log_prob(told)  # type: ignore[attr-defined]


@each_family
@pytest.mark.parametrize("part", range(3))
def test_one_of_each_is_needed_for_every_row(
    family: str, part: int, fitted: dict[str, Surrogate], description: SystemDescription
) -> None:
    """One decision for two states was answered with one epoch, or with that of another row."""
    asked = list(extreme_inputs(description, seed=5, largest=40, rows=2))
    asked[part] = asked[part][:1]
    states, decisions, parameters = asked
    with unchecked(), pytest.raises(InvalidQuestion, match="give"):
        fitted[family].sample(states, decisions, parameters, np.random.default_rng(9))


@each_family
def test_a_state_of_another_system_is_refused(
    family: str, fitted: dict[str, Surrogate], description: SystemDescription
) -> None:
    """With a column less every number would be taken for another, or end in a stack trace."""
    states, decisions, parameters = extreme_inputs(description, seed=5, largest=40, rows=2)
    width = states.shape[1]
    with unchecked(), pytest.raises(InvalidQuestion, match=f"has {width} and 2 states"):
        fitted[family].sample(states[:, 1:], decisions, parameters, np.random.default_rng(9))


@each_family
def test_a_short_fit_keeps_its_shapes(
    family: str, transitions: Transitions, description: SystemDescription
) -> None:
    """The fits that tests share run without the checks of shapes, which take most of their time."""
    few = transitions.take(transitions.episode < 3)
    surrogate = FAMILIES[family](few, description, SMALL_SETTINGS[family], np.random.default_rng(3))
    epochs = surrogate.sample(few.state, few.decision, few.parameters, np.random.default_rng(4))
    assert epochs.state.shape == few.next_state.shape


@each_family
def test_the_same_generator_draws_the_same_epochs(
    family: str, fitted: dict[str, Surrogate], description: SystemDescription
) -> None:
    """Common random numbers and replays rest on the generator being the only randomness."""
    inputs = extreme_inputs(description, seed=5, largest=40)
    first, second = (fitted[family].sample(*inputs, np.random.default_rng(9)) for _ in range(2))
    assert np.array_equal(first.state, second.state)
    assert np.array_equal(first.outputs, second.outputs)


@each_family
def test_another_generator_draws_other_epochs(
    family: str, fitted: dict[str, Surrogate], description: SystemDescription
) -> None:
    """A surrogate that steps on means would hide queueing."""
    inputs = extreme_inputs(description, seed=5, largest=40)
    first, second = (fitted[family].sample(*inputs, np.random.default_rng(s)) for s in (1, 2))
    assert not np.array_equal(first.outputs, second.outputs)


@each_family
def test_what_is_written_as_arrays_draws_the_same(
    family: str, fitted: dict[str, Surrogate], description: SystemDescription
) -> None:
    """A saved surrogate has to be the one that was scored, to the last digit."""
    surrogate = fitted[family]
    again = LOADERS[family](surrogate.to_tensors(), description)  # type: ignore[attr-defined]
    inputs = extreme_inputs(description, seed=6, largest=40)
    first, second = (s.sample(*inputs, np.random.default_rng(4)) for s in (surrogate, again))
    assert np.array_equal(first.state, second.state)
    assert np.array_equal(first.outputs, second.outputs)


@each_family
def test_a_likelihood_is_finite_on_real_epochs(
    family: str, fitted: dict[str, Surrogate], held_out: Transitions
) -> None:
    """One impossible epoch would make the mean of a held-out set useless."""
    surrogate = fitted[family]
    if not isinstance(surrogate, SupportsLikelihood):
        assert family in ("bootstrap", "trees"), "only those that draw from data have none"
        return
    assert np.isfinite(surrogate.log_prob(held_out)).all()


@pytest.mark.parametrize("family", sorted(FAMILIES.keys() - {"mean"}))
def test_parameters_matter(
    family: str, fitted: dict[str, Surrogate], held_out: Transitions
) -> None:
    """Drift is a change of parameters: who does not hear of them cannot answer for it."""
    scale = [p.name for p in fitted[family].description.parameters].index("arrival_scale")
    # At opening, where nothing has been counted that would speak against the parameter.
    asked = held_out.take(held_out.state[:, -1] == 0)
    came = []
    for value in (0.8, 1.25):
        parameters = asked.parameters.copy()
        parameters[:, scale] = value
        forecast = predict(
            fitted[family], asked.state, asked.decision, parameters, np.random.default_rng(0)
        )
        came.append(forecast.mean.outputs[:, 0].mean())
    assert came[1] > came[0]


@each_family
def test_learning_on_makes_another_surrogate_and_leaves_the_first(
    family: str, fitted: dict[str, Surrogate], transitions: Transitions
) -> None:
    """A champion must stay what it was while its successor is prepared."""
    before = fitted[family]
    if not isinstance(before, SupportsUpdate):
        pytest.skip(f"{family} is fitted anew")
    few = transitions.take(np.arange(560))
    asked = few.state[:50], few.decision[:50], few.parameters[:50]
    first = before.sample(*asked, np.random.default_rng(0)).outputs
    heard: list[float] = []
    after = before.update(few, np.random.default_rng(1), heard.append)
    assert np.array_equal(before.sample(*asked, np.random.default_rng(0)).outputs, first)
    assert after.name == family
    assert not np.array_equal(after.sample(*asked, np.random.default_rng(0)).outputs, first)
    assert heard[-1] == 1.0


@pytest.mark.parametrize("family", ["ensemble", "gp"])
def test_doubt_grows_where_nothing_was_seen(
    family: str, fitted: dict[str, Surrogate], held_out: Transitions
) -> None:
    """More data would help most where there are none; what is only chance must not count."""
    surrogate = fitted[family]
    assert isinstance(surrogate, SupportsDoubt)
    near = held_out.take(np.arange(100))
    far = near.state.copy()
    far[:, :7] = 40.0 + 10.0 * far[:, :7]
    known = surrogate.doubt(near.state, near.decision, near.parameters)
    unknown = surrogate.doubt(far, near.decision, near.parameters)
    assert (known > 0).all()
    assert unknown.mean() > 1.5 * known.mean()


@pytest.mark.parametrize("family", ["ensemble", "gp"])
def test_a_world_is_kept_and_worlds_differ(
    family: str, fitted: dict[str, Surrogate], held_out: Transitions
) -> None:
    """An episode must meet one consistent world; two worlds that agree everywhere are one."""
    surrogate = fitted[family]
    assert isinstance(surrogate, SupportsFunctionDraws)
    worlds = surrogate.draw_functions(12, np.random.default_rng(0))
    row = held_out.take(np.zeros(24, dtype=int))
    which = np.tile(np.arange(12), 2)
    drawn = [
        worlds.sample(row.state, row.decision, row.parameters, which, np.random.default_rng(s))
        for s in (1, 1)
    ]
    assert worlds.count == 12
    assert np.array_equal(drawn[0].outputs, drawn[1].outputs)
    many = held_out.take(np.zeros(300, dtype=int))
    means = [
        worlds.sample(
            many.state,
            many.decision,
            many.parameters,
            np.full(300, world),
            np.random.default_rng(3),
        ).outputs.mean(axis=0)
        for world in range(12)
    ]
    assert np.unique(np.round(means, 9), axis=0).shape[0] > 1


def test_a_forecast_is_the_mean_and_deviation_of_draws(
    fitted: dict[str, Surrogate], held_out: Transitions
) -> None:
    """Whoever asks for an expectation gets it in the units and shapes of an epoch."""
    few = held_out.take(np.arange(3))
    asked = few.state, few.decision, few.parameters
    forecast = predict(fitted["mean"], *asked, np.random.default_rng(0), draws=50)
    rows = few.take(np.repeat(np.arange(3), 50))
    again = fitted["mean"].sample(
        rows.state, rows.decision, rows.parameters, np.random.default_rng(0)
    )
    drawn = again.outputs.reshape(3, 50, -1)
    assert np.allclose(forecast.mean.outputs, drawn.mean(axis=1))
    assert np.allclose(forecast.deviation.outputs, drawn.std(axis=1, ddof=1))
    assert np.array_equal(forecast.mean.duration, few.duration)
    with pytest.raises(InvalidDataset, match="1 draws: at least 2"):
        predict(fitted["mean"], *asked, np.random.default_rng(0), draws=1)


def test_every_family_can_be_fitted_and_brought_back() -> None:
    """A family in one table and not in another would only fail when it is needed."""
    assert FAMILIES.keys() == LOADERS.keys() == DEFAULT_SETTINGS.keys()


def test_an_unknown_family_is_refused_with_the_near_name(
    transitions: Transitions, description: SystemDescription
) -> None:
    """A slip of the pen should cost one reading of the message."""
    with pytest.raises(InvalidDataset, match="did you mean 'bootstrap'"):
        fit_family("bootsrap", transitions, description, np.random.default_rng(0))


def test_nothing_to_learn_from_is_refused(
    transitions: Transitions, description: SystemDescription
) -> None:
    """An empty collection has to be named before any library speaks of shapes."""
    nothing = transitions.take(np.arange(0))
    with pytest.raises(InvalidDataset, match="collect some first"):
        fit_mean(nothing, description, None, np.random.default_rng(0))


def test_a_broken_row_is_refused_by_number(
    transitions: Transitions, description: SystemDescription
) -> None:
    """One NaN would otherwise spread over every weight."""
    few = transitions.take(np.arange(10))
    outputs = few.outputs.copy()
    outputs[7, 2] = np.nan
    broken = replace(few, outputs=outputs)
    with pytest.raises(InvalidDataset, match="row 7 of outputs"):
        fit_mean(broken, description, None, np.random.default_rng(0))


@each_family
@pytest.mark.parametrize(
    ("group", "value", "fault"),
    [
        ("outputs", -1.0, r"row 7 of outputs has '.*' at -1: a count is whole and 0 or more"),
        ("state", 0.5, r"row 7 of state has '.*' at 0.5: a count is whole and 0 or more"),
        ("next_state", -3.0, r"row 7 of next_state has '.*' at -3: a count"),
        ("duration", -30.0, r"row 7 of duration is -30 minutes: give 0 or more"),
    ],
)
def test_what_cannot_be_is_not_learnt_from(
    family: str,
    group: str,
    value: float,
    fault: str,
    fitted: dict[str, Surrogate],
    transitions: Transitions,
    description: SystemDescription,
) -> None:
    """A sign or a scale that was mistaken would come back from every draw."""
    few = transitions.take(np.arange(10))
    numbers = getattr(few, group).copy()
    numbers.reshape(10, -1)[7, 0] = value
    broken = replace(few, **{group: numbers})
    with pytest.raises(InvalidDataset, match=fault):
        fit_family(family, broken, description, np.random.default_rng(0))
    surrogate = fitted[family]
    assert isinstance(surrogate, SupportsUpdate)
    with pytest.raises(InvalidDataset, match=fault):
        surrogate.update(broken, np.random.default_rng(0))


def test_what_is_declared_no_count_may_be_negative(transitions: Transitions) -> None:
    """A user's balance of an account or temperature may have any sign and any fraction."""
    heat = tuple(Quantity(name=n, unit="K", is_count=False) for n in ("inside", "outside"))
    description = Description(name="house", components=heat, outputs=heat[:1], levers=(), epochs=10)
    few = transitions.take(np.arange(40))
    random = np.random.default_rng(0)
    cold = replace(
        few,
        state=-20.0 + random.random((40, 2)),
        decision=few.decision[:, :0],
        parameters=few.parameters[:, :0],
        next_state=-20.0 + random.random((40, 2)),
        outputs=random.normal(size=(40, 1)),
    )
    fit_family("mean", cold, description, random)


def test_the_nearest_epoch_of_a_row_of_the_data_is_itself(
    transitions: Transitions, description: SystemDescription
) -> None:
    """With one neighbour the bootstrap is a look-up, so the data must come back unchanged."""
    few = transitions.take(np.arange(200))
    one = fit_nearest_neighbours(
        few, description, NearestNeighbourSettings(neighbours=1), np.random.default_rng(0)
    )
    epochs = one.sample(few.state, few.decision, few.parameters, np.random.default_rng(1))
    assert np.array_equal(epochs.state, few.next_state)
    assert np.allclose(epochs.outputs, few.outputs)


def test_the_mean_surrogate_ignores_what_it_is_asked(
    fitted: dict[str, Surrogate], held_out: Transitions
) -> None:
    """The null family is the yardstick of what knowing the state is worth."""
    mean = fitted["mean"]
    assert isinstance(mean, MeanSurrogate)
    rows = [held_out.take(np.array([i])) for i in (3, 20)]
    drawn = [
        mean.sample(r.state, r.decision, r.parameters, np.random.default_rng(0)).outputs[0, 0]
        for r in rows
    ]
    assert drawn[0] == drawn[1]
