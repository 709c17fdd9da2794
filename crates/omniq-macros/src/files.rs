//! The SQL files of a folder, for a macro that includes each of them: a new file needs no entry in a list. The crate is compiled anew when
//! a file that it includes changes or goes, and a new file is used only by new code.

use std::path::{Path, PathBuf};

use proc_macro2::TokenStream;
use quote::quote;
use syn::parse::{Parse, ParseStream};
use syn::{Ident, LitStr, Token};

/// `statements, "sql/queries"`: the macro to call, and the folder within the crate.
pub(crate) struct Call {
    called: Ident,
    folder: LitStr,
}

impl Parse for Call {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let called = input.parse()?;
        input.parse::<Token![,]>()?;
        Ok(Self { called, folder: input.parse()? })
    }
}

/// `statements! { "claim" dequeue, "claim" promote, … }`: each file with its folder, without their endings. Files that stand in the folder
/// itself have none, `""`.
pub(crate) fn of(call: &Call) -> syn::Result<TokenStream> {
    let crate_folder = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from).unwrap_or_default();
    let root = crate_folder.join(call.folder.value());
    let found = files(&root, "")
        .map_err(|error| syn::Error::new_spanned(&call.folder, format!("{}: {error}", root.display())))?;
    let entries = found.iter().map(|(room, name)| {
        let name = Ident::new(name, call.folder.span());
        quote! { #room #name }
    });
    let called = &call.called;
    Ok(quote! { #called! { #(#entries,)* } })
}

fn files(folder: &Path, room: &str) -> std::io::Result<Vec<(String, String)>> {
    let mut found = Vec::new();
    let mut entries = std::fs::read_dir(folder)?.collect::<std::io::Result<Vec<_>>>()?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.file_type()?.is_dir() {
            found.extend(files(&entry.path(), &name)?);
        } else if let Some(name) = name.strip_suffix(".sql") {
            found.push((room.to_owned(), name.to_owned()));
        }
    }
    Ok(found)
}
