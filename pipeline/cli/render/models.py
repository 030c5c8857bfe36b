"""What a terminal shows of networks that are registered or exported."""

from typing import TYPE_CHECKING

from pipeline.errors import visible

if TYPE_CHECKING:
    from pipeline.app.export import Exported
    from pipeline.app.registration import Registered


def models_lines(registered: "Registered | None") -> list[str]:
    """Say where MLflow loads a study's networks from, or why it has none."""
    if registered is None:
        return []
    if registered.problem:
        return [visible(f"warning: no model is registered: {registered.problem}")]
    told = ", ".join(f"{alias} {address}" for alias, address in registered.aliases.items())
    return [f"models: {told}"]


def exported_lines(exported: "Exported") -> list[str]:
    """Say where a network is, what it takes and gives, and what was checked."""
    inputs, outputs = exported.description["inputs"], exported.description["outputs"]
    check = exported.check
    compared = (
        "the same to the bit"
        if check.largest_difference == 0
        else f"within {check.largest_difference:.1g} of the largest, {check.tolerance:g} allowed"
    )
    lines = [
        f"trial {exported.trial} of {exported.study}: {exported.path or exported.model_uri}",
        f"  takes {inputs['dtype']} {_shape(inputs)}: {inputs['layout']}",
        f"  gives {outputs['dtype']} {_shape(outputs)}: {outputs['meaning']}",
        f"  another process gave for {check.rows} {check.of} rows what the trial gives: {compared}",
    ]
    return [visible(line) for line in lines]


def _shape(rows: dict[str, object]) -> str:
    return f"[{', '.join(map(str, rows['shape']))}]"  # type: ignore[call-overload]
