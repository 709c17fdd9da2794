//! The arguments of a task in its result, where the setting `keep_args` asks for that. They are stored in the column `metadata`, under a key of
//! their own, as an object with the codec and the bytes: `text` if they are one, else `hex`. So a result without them costs nothing.

use omniq_core::{Codec, Payload, Result, TaskResult};
use serde_json::{Map, Value, json};

use crate::sql::{hex, object, unhex};

/// The key in the column `metadata`.
const KEY: &str = "omniq.args";

/// The column `metadata` of a result.
pub(crate) fn metadata(result: &TaskResult) -> Result<Option<String>> {
    let Some(args) = &result.args else { return object(&result.metadata) };
    let mut all = result.metadata.clone();
    let codec = args.codec().name();
    // PostgreSQL's text holds no NUL.
    let kept = match std::str::from_utf8(args.bytes()) {
        Ok(text) if !text.contains('\0') => json!({ "codec": codec, "text": text }),
        _ => json!({ "codec": codec, "hex": hex(args.bytes()) }),
    };
    all.insert(KEY.to_owned(), kept);
    object(&all)
}

/// Takes the arguments out of what was read from the column.
pub(super) fn take(metadata: &mut Map<String, Value>) -> Option<Payload> {
    let kept = metadata.get(KEY)?.as_object()?;
    let codec: Codec = kept.get("codec")?.as_str()?.parse().ok()?;
    let bytes = match (kept.get("text"), kept.get("hex")) {
        (Some(text), _) => text.as_str()?.as_bytes().to_vec(),
        (None, hex) => unhex(hex?.as_str()?)?,
    };
    metadata.remove(KEY);
    Some(Payload::new(codec, bytes))
}
