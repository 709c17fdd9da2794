//! The blocking twins: an attribute on an async interface generates the blocking type from it.
//!
//! The trait is the only list of verbs. `#[blocking(BlockingQueue)]` on `trait TaskQueue` adds a struct
//! `BlockingQueue<T>` with one `…_sync` method for each async method, its documentation included, and an
//! adapter `BlockingQueueAdapter` that offers the blocking type as the async interface again, so that the one
//! conformance suite can run against both. `#[layered]` adds what tests derive from an interface, and
//! `with_sql_files!` lists the files of the statements.

mod files;
mod layers;

use proc_macro::TokenStream;
use proc_macro2::TokenStream as TokenStream2;
use quote::{format_ident, quote};
use syn::punctuated::Punctuated;
use syn::{
    Attribute, FnArg, Ident, ImplItem, Item, ItemImpl, ItemTrait, Pat, Signature, Token, TraitItem, Type,
    Visibility, parse_macro_input,
};

/// One async method of the interface: its name, documentation and arguments.
struct Verb<'a> {
    name: &'a Ident,
    sync_name: Ident,
    docs: Vec<&'a Attribute>,
    names: Vec<&'a Ident>,
    types: Vec<&'a Type>,
    output: &'a syn::ReturnType,
    /// Marked `#[async_only]`: for workers and not for users, so without a blocking form.
    async_only: bool,
}

fn verbs(item: &ItemTrait) -> Vec<Verb<'_>> {
    let methods = item.items.iter().filter_map(|entry| match entry {
        TraitItem::Fn(method) => Some(method),
        _ => None,
    });
    methods.filter_map(|method| verb(&method.sig, &method.attrs)).collect()
}

fn verb<'a>(sig: &'a Signature, attrs: &'a [Attribute]) -> Option<Verb<'a>> {
    sig.asyncness?;
    let mut names = Vec::new();
    let mut types = Vec::new();
    for arg in &sig.inputs {
        if let FnArg::Typed(arg) = arg
            && let Pat::Ident(name) = &*arg.pat
        {
            names.push(&name.ident);
            types.push(&*arg.ty);
        }
    }
    Some(Verb {
        name: &sig.ident,
        sync_name: format_ident!("{}_sync", sig.ident),
        docs: attrs.iter().filter(|a| a.path().is_ident("doc")).collect(),
        names,
        types,
        output: &sig.output,
        async_only: attrs.iter().any(|a| a.path().is_ident("async_only")),
    })
}

/// Generates the blocking twin of an async interface, or of the async methods of a type; see the crate's documentation.
#[proc_macro_attribute]
pub fn blocking(attribute: TokenStream, input: TokenStream) -> TokenStream {
    let twin = parse_macro_input!(attribute as Ident);
    match parse_macro_input!(input as Item) {
        Item::Trait(item) => twin_of_trait(&twin, &item).into(),
        Item::Impl(item) => twin_of_impl(&twin, &item).into(),
        other => syn::Error::new_spanned(other, "#[blocking] is for traits and inherent impls")
            .to_compile_error()
            .into(),
    }
}

/// `#[layered(QueueLayer, QueueVerbs)]` generates for the tests of an interface a trait `QueueLayer`, which passes all required methods on to
/// another storage, and `QueueVerbs`, which calls every verb. Both need the feature `conformance`.
#[proc_macro_attribute]
pub fn layered(attribute: TokenStream, input: TokenStream) -> TokenStream {
    let names = parse_macro_input!(attribute with Punctuated::<Ident, Token![,]>::parse_terminated);
    let item = parse_macro_input!(input as ItemTrait);
    match names.iter().collect::<Vec<_>>()[..] {
        [layer, verbs] => layers::of(layer, verbs, &item).into(),
        _ => syn::Error::new_spanned(names, "#[layered] takes the names of the layer and of the verbs")
            .to_compile_error()
            .into(),
    }
}

/// `with_sql_files!(statements, "sql/queries")` calls a macro with all SQL files of a folder of the crate.
#[proc_macro]
pub fn with_sql_files(input: TokenStream) -> TokenStream {
    let call = parse_macro_input!(input as files::Call);
    files::of(&call).unwrap_or_else(|error| error.to_compile_error()).into()
}

/// One `…_sync` method; `inner` is the async object within the twin.
fn sync_method(verb: &Verb<'_>, inner: &TokenStream2) -> TokenStream2 {
    let Verb { name, sync_name, docs, names, types, output, .. } = verb;
    quote! {
        #(#docs)*
        ///
        /// Blocks the calling thread. On a thread that an async runtime needs it returns an error
        /// (`is_blocking_in_async`) instead of blocking.
        pub fn #sync_name(&self #(, #names: #types)*) #output {
            crate::blocking::wait(#inner.#name(#(#names),*))?
        }
    }
}

fn twin_of_impl(twin: &Ident, item: &ItemImpl) -> TokenStream2 {
    let ty = &item.self_ty;
    let methods = item.items.iter().filter_map(|entry| match entry {
        ImplItem::Fn(method) if matches!(method.vis, Visibility::Public(_)) => {
            verb(&method.sig, &method.attrs).map(|verb| sync_method(&verb, &quote! { self.0 }))
        }
        _ => None,
    });
    let about = format!(
        "The blocking twin of [`{}`]: the same verbs with the suffix `_sync`, usable from any thread.",
        quote!(#ty)
    );
    quote! {
        #item

        #[doc = #about]
        #[derive(Debug, Clone)]
        pub struct #twin(#ty);

        impl #twin {
            /// Wraps the async object; both may be used side by side.
            pub fn new(inner: #ty) -> Self {
                Self(inner)
            }

            /// The async object that this one wraps.
            pub fn as_async(&self) -> &#ty {
                &self.0
            }

            #(#methods)*
        }
    }
}

fn twin_of_trait(twin: &Ident, item: &ItemTrait) -> TokenStream2 {
    let mut shown = item.clone();
    for entry in &mut shown.items {
        if let TraitItem::Fn(method) = entry {
            method.attrs.retain(|attribute| !attribute.path().is_ident("async_only"));
        }
    }
    let port = &item.ident;
    let adapter = format_ident!("{twin}Adapter");
    let verbs = verbs(item);

    let sync_methods =
        verbs.iter().filter(|verb| !verb.async_only).map(|verb| sync_method(verb, &quote! { self.0 }));
    let async_methods = verbs.iter().map(|verb| {
        let Verb { name, sync_name, names, types, output, .. } = verb;
        if verb.async_only {
            return quote! {
                async fn #name(&self #(, #names: #types)*) #output {
                    self.0.0.#name(#(#names),*).await
                }
            };
        }
        let owned = names.iter().zip(types).map(|(name, ty)| match ty {
            Type::Reference(_) => quote! { let #name = #name.to_owned(); },
            _ => quote! {},
        });
        let passed = names.iter().zip(types).map(|(name, ty)| match ty {
            Type::Reference(_) => quote! { &#name },
            _ => quote! { #name },
        });
        quote! {
            async fn #name(&self #(, #names: #types)*) #output {
                #(#owned)*
                let twin = self.0.clone();
                crate::blocking::off_the_loop(move || twin.#sync_name(#(#passed),*)).await?
            }
        }
    });
    let plain_methods = item.items.iter().filter_map(|entry| match entry {
        TraitItem::Fn(method) if method.sig.asyncness.is_none() => {
            let sig = &method.sig;
            let name = &sig.ident;
            let names = sig.inputs.iter().filter_map(|arg| match arg {
                FnArg::Typed(arg) => Some(&arg.pat),
                FnArg::Receiver(_) => None,
            });
            Some(quote! { #sig { self.0.0.#name(#(#names),*) } })
        }
        _ => None,
    });
    let about = format!(
        "The blocking twin of [`{port}`]: the same verbs with the suffix `_sync`, usable from any thread."
    );
    let about_adapter = format!("Offers a [`{twin}`] as a [`{port}`] again, for the conformance suite.");

    quote! {
        #shown

        #[doc = #about]
        #[derive(Debug)]
        pub struct #twin<T: ?Sized>(std::sync::Arc<T>);

        impl<T: ?Sized> Clone for #twin<T> {
            fn clone(&self) -> Self {
                Self(std::sync::Arc::clone(&self.0))
            }
        }

        impl<T: #port + ?Sized> #twin<T> {
            /// Wraps the async object; both may be used side by side.
            pub fn new(inner: std::sync::Arc<T>) -> Self {
                Self(inner)
            }

            /// The async object that this one wraps.
            pub fn as_async(&self) -> &std::sync::Arc<T> {
                &self.0
            }

            #(#sync_methods)*
        }

        impl<T: #port + crate::Connect> #twin<T> {
            /// Connects by URL.
            pub fn connect_sync(url: &str) -> crate::Result<Self> {
                crate::blocking::wait(T::connect(url))?.map(|inner| Self(std::sync::Arc::new(inner)))
            }

            /// Connects with these settings.
            pub fn with_settings_sync(settings: &T::Settings) -> crate::Result<Self> {
                crate::blocking::wait(T::with_settings(settings))?.map(|inner| Self(std::sync::Arc::new(inner)))
            }
        }

        #[doc = #about_adapter]
        #[cfg(feature = "conformance")]
        #[derive(Debug, Clone)]
        pub struct #adapter(pub #twin<dyn #port>);

        #[cfg(feature = "conformance")]
        #[async_trait::async_trait]
        impl #port for #adapter {
            #(#plain_methods)*
            #(#async_methods)*
        }
    }
}
