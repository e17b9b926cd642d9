"""Encoders turn sound into latents: `base` says what one is, `running` puts clips through it, `registry` lists them.

Each model family has a file, which declares its encoders in `ENTRIES`; a new built-in family adds its file and its name
to `registry.FAMILIES`. `variants` are a model's layers, quantiser depths and chunks. `contract` checks an encoder;
`module` makes one of your own torch module, `hear` of a module of the HEAR API. `nets` holds the networks, `sources`
finds and verifies weights.
"""

from latentfx_nb.encoders.base import Decoder, Encoder
from latentfx_nb.encoders.contract import check_encoder
from latentfx_nb.encoders.hear import HearEncoder
from latentfx_nb.encoders.module import ModuleEncoder
from latentfx_nb.encoders.registry import (
    DEFAULT_ENCODERS,
    encoder_row,
    is_known,
    list_encoders,
    load_encoder,
    noise_floor,
    present_hashes,
    register_encoder,
    reloading,
    weights_hash,
)

__all__ = [
    "DEFAULT_ENCODERS",
    "Decoder",
    "Encoder",
    "HearEncoder",
    "ModuleEncoder",
    "check_encoder",
    "encoder_row",
    "is_known",
    "list_encoders",
    "load_encoder",
    "noise_floor",
    "present_hashes",
    "register_encoder",
    "reloading",
    "weights_hash",
]
