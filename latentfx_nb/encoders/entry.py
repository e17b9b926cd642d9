"""`Entry`, which a model's file declares for each of its built-in encoders, so that they are listed and loaded."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec

from latentfx_nb.encoders.base import Encoder
from latentfx_nb.encoders.sources.weights import ConvertedWeights, HubWeights, ShippedWeights, Weights, files_hash

OWN_LICENCE = "GPL-3.0-or-later"
"""The package's own, of encoders that it computes or trained itself."""

UNSTATED = "not stated"
"""The licence of weights whose authors give none: they must not be passed on."""


@dataclass(frozen=True)
class Entry:
    """A built-in encoder: its class, the licence of its weights, and what it needs before it can be loaded."""

    model: type[Encoder]
    licence: str
    weights: Weights | ShippedWeights | ConvertedWeights | HubWeights | None = None  # None: the model has none
    extra: str | None = None  # the package's extra that installs what it needs
    requires: str | None = None  # a module which that extra installs

    @property
    def name(self) -> str:
        return self.model.name

    def missing(self) -> str:
        """Return what has to be done before the encoder loads without a download; an empty text if nothing."""
        if self.requires and find_spec(self.requires) is None:
            return f"pip install 'latentfx-nb[{self.extra}]'"
        if self.weights is None:
            return ""
        try:
            return "" if self.weights.find() else self.weights.missing
        except (ValueError, FileNotFoundError) as error:
            return str(error)

    def present_hash(self) -> str | None:
        """Return the sha256 of the weights that are here, read if that takes it; None if there are none to read."""
        if isinstance(self.weights, HubWeights):
            folder = self.weights.find()
            return None if folder is None else self.weights.hash(folder)
        if isinstance(self.weights, ConvertedWeights):
            return files_hash((self.weights.find() or {}).values())
        return getattr(self.model, "weights_hash", None)
