//! A response in pieces: events in the order in which the official clients expect them.

use serde_json::{Value, json};

use super::{Shape, part};
use crate::listen::openai::fault::Fault;
use crate::listen::openai::reply::Done;
use crate::listen::openai::stream::{Form, Piece};

pub(super) struct Events {
    shape: Shape,
    /// What was shown; `None` before the first of it.
    text: Option<String>,
    sequence: u64,
}

impl Events {
    pub(super) fn of(shape: Shape) -> Self {
        Self { shape, text: None, sequence: 0 }
    }

    fn event(&mut self, name: &str, mut value: Value, out: &mut Piece) {
        value["type"] = json!(name);
        value["sequence_number"] = json!(self.sequence);
        self.sequence += 1;
        out.event(name, &value);
    }

    fn message_begins(&mut self, out: &mut Piece) {
        let item = self.shape.message("in_progress", &json!([]));
        self.event("response.output_item.added", json!({"output_index": 0, "item": item}), out);
        let begun = json!({"item_id": self.shape.message_id(), "output_index": 0, "content_index": 0, "part": part("")});
        self.event("response.content_part.added", begun, out);
        self.text = Some(String::new());
    }

    fn message_ends(&mut self, text: &str, out: &mut Piece) {
        let id = self.shape.message_id();
        let place = json!({"item_id": id, "output_index": 0, "content_index": 0});
        let with = |name: &str, value: Value| {
            let mut place = place.clone();
            place[name] = value;
            place
        };
        let mut done = with("text", json!(text));
        done["logprobs"] = json!([]);
        self.event("response.output_text.done", done, out);
        self.event("response.content_part.done", with("part", part(text)), out);
        let item = self.shape.message("completed", &json!([part(text)]));
        self.event("response.output_item.done", json!({"output_index": 0, "item": item}), out);
    }

    fn calls(&mut self, done: &Done, behind: usize, out: &mut Piece) {
        for (n, call) in done.calls.iter().enumerate() {
            let (index, begun) = (behind + n, self.shape.call(call, "in_progress"));
            let id = begun["id"].clone();
            self.event("response.output_item.added", json!({"output_index": index, "item": begun}), out);
            let delta = json!({"item_id": id, "output_index": index, "delta": call.arguments});
            self.event("response.function_call_arguments.delta", delta, out);
            let whole =
                json!({"item_id": id, "output_index": index, "name": call.name, "arguments": call.arguments});
            self.event("response.function_call_arguments.done", whole, out);
            let item = self.shape.call(call, "completed");
            self.event("response.output_item.done", json!({"output_index": index, "item": item}), out);
        }
    }
}

impl Form for Events {
    fn begin(&mut self, out: &mut Piece) {
        let response = self.shape.response("in_progress", &json!([]), None, self.shape.about.clone());
        self.event("response.created", json!({"response": response}), out);
        self.event("response.in_progress", json!({"response": response}), out);
    }

    fn text(&mut self, text: &str, out: &mut Piece) {
        if self.text.is_none() {
            self.message_begins(out);
        }
        if let Some(shown) = &mut self.text {
            shown.push_str(text);
        }
        let id = self.shape.message_id();
        let delta =
            json!({"item_id": id, "output_index": 0, "content_index": 0, "delta": text, "logprobs": []});
        self.event("response.output_text.delta", delta, out);
    }

    fn done(&mut self, done: &Done, about: Value, out: &mut Piece) {
        if self.text.is_none() && done.calls.is_empty() {
            self.message_begins(out);
        }
        let mut output = Vec::new();
        if let Some(text) = self.text.take() {
            self.message_ends(&text, out);
            output.push(self.shape.message("completed", &json!([part(&text)])));
        }
        self.calls(done, output.len(), out);
        output.extend(done.calls.iter().map(|call| self.shape.call(call, "completed")));
        let response = self.shape.response("completed", &json!(output), Some(done), about);
        self.event("response.completed", json!({"response": response}), out);
    }

    /// The official clients raise what has an `error`.
    fn failed(&mut self, fault: &Fault, out: &mut Piece) {
        let mut value = fault.to_json();
        value["code"] = json!(fault.code());
        value["message"] = json!(fault.message());
        value["param"] = Value::Null;
        self.event("error", value, out);
    }
}
