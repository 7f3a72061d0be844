//! Routes of documented endpoints. A description takes the schemas of all its types, so it is made only where somebody
//! asks for the document: no start waits for it, and no broker holds it in memory that nobody asked.

use std::cell::Cell;
use std::sync::Arc;

use aide::axum::routing::{self as described, ApiMethodRouter};
use aide::operation::{OperationHandler, OperationInput, OperationOutput};
use aide::transform::TransformOperation;
use axum::handler::Handler;
use axum::routing as plain;

use crate::edge::Edge;

thread_local! {
    static DESCRIBES: Cell<bool> = const { Cell::new(false) };
}

/// Makes routes that describe themselves.
pub(super) fn describing<T>(make: impl FnOnce() -> T) -> T {
    DESCRIBES.set(true);
    let made = make();
    DESCRIBES.set(false);
    made
}

macro_rules! methods {
    ($($name:ident, $method:ident;)*) => {$(
        pub(super) fn $name<H, I, O, T>(
            handler: H,
            description: impl FnOnce(TransformOperation<'_>) -> TransformOperation<'_>,
        ) -> ApiMethodRouter<Arc<Edge>>
        where
            H: Handler<T, Arc<Edge>> + OperationHandler<I, O>,
            I: OperationInput,
            O: OperationOutput,
            T: 'static,
        {
            match DESCRIBES.get() {
                true => described::$name(handler, description),
                false => plain::$method(handler).into(),
            }
        }
    )*};
}

methods! {
    delete_with, delete;
    get_with, get;
    post_with, post;
    put_with, put;
}
