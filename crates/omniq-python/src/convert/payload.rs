//! Payloads. Python code encodes and decodes the values, in `omniq.codecs`.

use omniq::{Codec, Payload};
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use pyo3::{intern, types::PyString};

use super::fields::{field, given};
use super::imported::imported;
use crate::convert::options::Convert;
use crate::error::to_py;

pub(crate) fn to_payload<'py>(
    py: Python<'py>,
    convert: Convert,
    payload: &Payload,
) -> PyResult<Bound<'py, PyAny>> {
    let class = if convert.allow_pickle {
        imported!(py, "omniq.models.payload", "TrustedPayload")?
    } else {
        imported!(py, "omniq.models.payload", "Payload")?
    };
    let codec = match payload.codec() {
        Codec::Json => intern!(py, "json").clone(),
        other => PyString::new(py, other.name()),
    };
    class.call1((codec, PyBytes::new(py, payload.bytes())))
}

fn is_payload(value: &Bound<'_, PyAny>) -> PyResult<bool> {
    value.is_instance(imported!(value.py(), "omniq.models.payload", "Payload")?)
}

pub(crate) fn from_payload(value: &Bound<'_, PyAny>) -> PyResult<Payload> {
    let py = value.py();
    let codec: String = field(value, intern!(py, "codec"))?;
    let codec: Codec = codec.parse().map_err(|error| to_py(py, error))?;
    let data: Vec<u8> = field(value, intern!(py, "data"))?;
    Ok(Payload::new(codec, data))
}

/// Encodes a value. A payload is taken as it is.
pub(crate) fn encode(value: &Bound<'_, PyAny>, codec: &str, convert: Convert) -> PyResult<Payload> {
    if is_payload(value)? {
        return from_payload(value);
    }
    let py = value.py();
    let known: Codec = codec.parse().map_err(|error| to_py(py, error))?;
    let bytes = imported!(py, "omniq.codecs", "encode")?.call1((value, codec, convert.allow_pickle))?;
    Ok(Payload::new(known, bytes.cast::<PyBytes>()?.as_bytes().to_vec()))
}

/// A payload in a field of a model.
pub(crate) fn payload_field<'py>(
    object: &Bound<'py, PyAny>,
    name: &Bound<'py, PyString>,
) -> PyResult<Option<Payload>> {
    given(object, name)?.map(|value| from_payload(&value)).transpose()
}
