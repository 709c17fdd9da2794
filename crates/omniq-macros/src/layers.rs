//! What is derived from an interface for tests, so that no test keeps a list of verbs: a layer, which passes each required method on to
//! another storage, and a call of every verb.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::{FnArg, Ident, ItemTrait, Pat, Signature, TraitItem, TraitItemFn, Type};

/// The names and the types of the arguments.
fn arguments(sig: &Signature) -> (Vec<&Ident>, Vec<&Type>) {
    let typed = sig.inputs.iter().filter_map(|arg| match arg {
        FnArg::Typed(arg) => Some(arg),
        FnArg::Receiver(_) => None,
    });
    typed
        .filter_map(|arg| match &*arg.pat {
            Pat::Ident(name) => Some((&name.ident, &*arg.ty)),
            _ => None,
        })
        .unzip()
}

/// The interface with its layer and its verbs.
pub(crate) fn of(layer: &Ident, verbs: &Ident, item: &ItemTrait) -> TokenStream {
    let methods = || {
        item.items.iter().filter_map(|entry| match entry {
            TraitItem::Fn(method) => Some(method),
            _ => None,
        })
    };
    let layer =
        layer_of(layer, item, &methods().filter(|method| method.default.is_none()).collect::<Vec<_>>());
    let verbs =
        verbs_of(verbs, item, &methods().filter(|method| method.sig.asyncness.is_some()).collect::<Vec<_>>());
    quote! {
        #item
        #layer
        #verbs
    }
}

fn layer_of(layer: &Ident, item: &ItemTrait, required: &[&TraitItemFn]) -> TokenStream {
    let (port, supers) = (&item.ident, &item.supertraits);
    let passed_on = required.iter().map(|method| {
        let (sig, name) = (&method.sig, &method.sig.ident);
        let (names, _) = arguments(sig);
        let about = format!("Passes [`{port}::{name}`] on.");
        let call = quote! { self.below().#name(#(#names),*) };
        let body = match sig.asyncness {
            Some(_) => quote! { self.before(stringify!(#name))?; #call.await },
            None => call,
        };
        quote! { #[doc = #about] #sig { #body } }
    });
    let implemented = required.iter().map(|method| {
        let (sig, name) = (&method.sig, &method.sig.ident);
        let (names, _) = arguments(sig);
        let wait = method.sig.asyncness.map(|_| quote! { .await });
        quote! { #sig { #layer::#name(self #(, #names)*) #wait } }
    });
    let about = format!(
        "A layer over another [`{port}`], for tests: it passes each required method on unless it has its own. The others are made \
         from these."
    );
    quote! {
        #[doc = #about]
        #[cfg(feature = "conformance")]
        #[async_trait::async_trait]
        pub trait #layer: #supers {
            /// The storage below.
            fn below(&self) -> &dyn #port;

            /// Called before each verb that is passed on: an error is the answer.
            fn before(&self, verb: &'static str) -> crate::Result<()> {
                let _ = verb;
                Ok(())
            }

            #(#passed_on)*
        }

        #[cfg(feature = "conformance")]
        #[async_trait::async_trait]
        impl<T: #layer> #port for T {
            #(#implemented)*
        }
    }
}

fn verbs_of(verbs: &Ident, item: &ItemTrait, methods: &[&TraitItemFn]) -> TokenStream {
    let port = &item.ident;
    let calls = methods.iter().map(|method| {
        let name = &method.sig.ident;
        let (names, types) = arguments(&method.sig);
        let locals: Vec<_> = names.iter().map(|name| format_ident!("its_{name}")).collect();
        let samples = locals.iter().zip(&types).map(|(local, ty)| match ty {
            Type::Reference(shared) => {
                let shared = &shared.elem;
                quote! { let #local: <#shared as ToOwned>::Owned = crate::conformance::Sample::sample(); }
            }
            ty => quote! { let #local: #ty = crate::conformance::Sample::sample(); },
        });
        let passed = locals.iter().zip(&types).map(|(local, ty)| match ty {
            Type::Reference(_) => quote! { &#local },
            _ => quote! { #local },
        });
        quote! {{
            #(#samples)*
            answers.push((stringify!(#name), storage.#name(#(#passed),*).await.err()));
        }}
    });
    let about = format!("The verbs of a [`{port}`], for tests.");
    quote! {
        #[doc = #about]
        #[cfg(feature = "conformance")]
        #[derive(Debug)]
        pub struct #verbs;

        #[cfg(feature = "conformance")]
        impl #verbs {
            /// Calls every verb with sample arguments: its name, and its error if it failed.
            pub async fn call_each<T: #port + ?Sized>(storage: &T) -> Vec<(&'static str, Option<crate::Error>)> {
                let mut answers = Vec::new();
                #(#calls)*
                answers
            }
        }
    }
}
