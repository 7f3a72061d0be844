//! What is asked, what is answered, and the thread both are in.

use super::look::*;

#[test]
fn a_conversation_is_one_thread_also_across_a_restart() {
    let mut world = World::new();
    let home = wren(&world);
    let agent = world.agent(&home);
    let model = Answer::of(&world.http("GET", "/v1/models/wren", "", "")).json();
    assert_eq!(
        (&model["id"], &model["object"], &model["owned_by"]),
        (&json!("wren"), &json!("model"), &json!("nexus"))
    );
    let models = Answer::of(&world.http("GET", "/v1/models", "", "")).json();
    assert_eq!((&models["object"], models["data"].as_array().map(Vec::len)), (&json!("list"), Some(1)));

    let system = json!({"role": "system", "content": "Be brief."});
    let first = chat(&world, &json!({"model": "wren", "messages": [system, user("first question")]}));
    assert_eq!(first.status, 200, "{}", first.body);
    let (thread, first) = (first.header("x-nexus-thread").expect("it is named").to_owned(), first.json());
    let choice = json!([{
        "index": 0,
        "message": {"role": "assistant", "content": "first answer", "refusal": null},
        "logprobs": null,
        "finish_reason": "stop",
    }]);
    assert_eq!((&first["object"], &first["choices"]), (&json!("chat.completion"), &choice));
    assert_eq!(first["nexus"]["thread"], json!(thread));
    let usage = &first["usage"];
    assert_eq!(usage["completion_tokens"], 3, "four bytes are one token: {usage}");
    let sum = |usage: &Value| usage["prompt_tokens"].as_u64().zip(usage["completion_tokens"].as_u64());
    assert_eq!(sum(usage).map(|(prompt, completion)| prompt + completion), usage["total_tokens"].as_u64());

    drop(agent);
    world.restart_broker();
    let _agent = world.agent(&home);
    let history = [system, user("first question"), assistant("first answer"), user("second question")];
    let body = json!({"model": "wren", "messages": history, "stream": true, "stream_options": {"include_usage": true}});
    let second = chat(&world, &body);
    assert_eq!(second.status, 200, "{}", second.body);
    assert_eq!(second.header("x-nexus-thread"), Some(thread.as_str()));
    let events = second.events();
    assert_eq!(
        events[0]["choices"][0]["delta"],
        json!({"role": "assistant", "content": "", "refusal": null})
    );
    let text: String = events.iter().filter_map(|it| it["choices"][0]["delta"]["content"].as_str()).collect();
    assert_eq!(text, "second answer, after 2", "the aspect remembers what was said");
    let finish: Vec<&Value> = events.iter().map(|it| &it["choices"][0]["finish_reason"]).collect();
    assert_eq!(finish[finish.len() - 2], &json!("stop"));
    let last = events.last().expect("an event");
    assert_eq!((&last["choices"], last["usage"]["total_tokens"].is_u64()), (&json!([]), true), "{last}");
    assert!(second.body.contains("data: [DONE]\n\n"));

    let said = messages(&world, &thread);
    let expected = [
        ("operator/admin", "<instructions>\nBe brief.\n</instructions>\n\nfirst question"),
        ("wren", "first answer"),
        ("operator/admin", "second question"),
        ("wren", "second answer, after 2"),
    ];
    assert_eq!(said, expected.map(|(from, text)| (from.to_owned(), text.to_owned())));

    // The same beginning and another answer is another conversation, and has its history in front.
    let other = [user("first question"), assistant("another answer"), user("second question")];
    let other = chat(&world, &json!({"model": "wren", "messages": other}));
    let elsewhere = other.header("x-nexus-thread").expect("it is named").to_owned();
    assert_ne!(elsewhere, thread);
    assert!(messages(&world, &elsewhere)[0].1.starts_with("<conversation_so_far>\n"));
    // And a thread can be named.
    let named = ask(
        &world,
        "/v1/chat/completions",
        &format!("X-Nexus-Thread: {thread}\r\n"),
        &json!({"model": "wren", "messages": [user("first question")]}),
    );
    assert_eq!(named.header("x-nexus-thread"), Some(thread.as_str()));
    assert_eq!(messages(&world, &thread).len(), 6);
}

#[test]
fn what_is_said_on_the_way_streams_and_the_answer_is_the_last_of_it() {
    let world = World::new();
    let _agent = world.agent(&wren(&world));
    let whole = chat(&world, &json!({"model": "wren", "messages": [user("look it up")]})).json();
    let answer = whole["choices"][0]["message"]["content"].as_str().expect("text").to_owned();
    assert!(answer.starts_with("It says: "), "{answer}");
    let streamed = chat(&world, &json!({"model": "wren", "messages": [user("look it up")], "stream": true}));
    let thread = streamed.header("x-nexus-thread").expect("it is named").to_owned();
    let events = streamed.events();
    let text: String = events.iter().filter_map(|it| it["choices"][0]["delta"]["content"].as_str()).collect();
    assert_eq!(text, format!("Let me look.\n\n{answer}"));
    let history = [user("look it up"), assistant(&text), user("second question")];
    let next = chat(&world, &json!({"model": "wren", "messages": history}));
    assert_eq!(next.header("x-nexus-thread"), Some(thread.as_str()), "{}", next.body);
}

#[test]
fn functions_of_the_client_are_called_by_the_client() {
    let world = World::new();
    let _agent = world.agent(&wren(&world));
    let tools =
        json!([{"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}]);
    let asked = user("what is the weather?");
    let body = json!({"model": "wren", "messages": [asked], "tools": tools});
    let first = chat(&world, &body);
    let thread = first.header("x-nexus-thread").expect("it is named").to_owned();
    let choice = first.json()["choices"][0].clone();
    assert_eq!(choice["finish_reason"], "tool_calls", "{choice}");
    let call = &choice["message"]["tool_calls"][0];
    assert_eq!(call["function"], json!({"name": "weather", "arguments": r#"{"in":"Oslo"}"#}));
    let result = json!({"role": "tool", "tool_call_id": call["id"], "content": "rain"});
    let messages = json!([asked, choice["message"], result]);
    let second = chat(&world, &json!({"model": "wren", "messages": messages, "tools": tools}));
    assert_eq!(second.json()["choices"][0]["message"]["content"], "So it rains.", "{}", second.body);
    assert_eq!(second.header("x-nexus-thread"), Some(thread.as_str()));
    // As a stream, the call is not shown as text.
    let streamed =
        chat(&world, &json!({"model": "wren", "messages": [asked], "tools": tools, "stream": true}));
    let deltas: Vec<Value> = streamed.events().iter().map(|it| it["choices"][0]["delta"].clone()).collect();
    assert_eq!(deltas.len(), 3, "{deltas:?}");
    assert_eq!(deltas[1]["tool_calls"][0]["function"], call["function"]);
    // Offered none, the aspect's text is text.
    let none = json!({"model": "wren", "messages": [asked], "tools": tools, "tool_choice": "none"});
    assert_eq!(chat(&world, &none).json()["choices"][0]["finish_reason"], "stop");
}

#[test]
fn responses_go_on_where_the_previous_one_was() {
    let world = World::new();
    let _agent = world.agent(&wren(&world));
    let respond = |body: Value| ask(&world, "/v1/responses", "", &body);
    let first = respond(json!({"model": "wren", "instructions": "Be brief.", "input": "first question"}));
    assert_eq!(first.status, 200, "{}", first.body);
    let thread = first.header("x-nexus-thread").expect("it is named").to_owned();
    let first = first.json();
    assert_eq!((&first["object"], &first["status"]), (&json!("response"), &json!("completed")));
    assert_eq!(first["output"][0]["content"][0]["text"], "first answer");
    let body = json!({"model": "wren", "instructions": "Be brief.", "input": "second question",
        "previous_response_id": first["id"], "stream": true});
    let second = respond(body);
    assert_eq!(second.header("x-nexus-thread"), Some(thread.as_str()));
    let events = second.events();
    let kinds: Vec<&str> = events.iter().filter_map(|it| it["type"].as_str()).collect();
    let expected = [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
        "response.output_text.delta",
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ];
    let mut once = kinds.clone();
    once.dedup();
    assert_eq!(once, expected);
    let numbers: Vec<u64> = events.iter().filter_map(|it| it["sequence_number"].as_u64()).collect();
    assert_eq!(numbers, (0..events.len() as u64).collect::<Vec<_>>());
    let last = &events.last().expect("an event")["response"];
    assert_eq!(last["output"][0]["content"][0]["text"], "second answer, after 2");
    assert_eq!(last["usage"]["total_tokens"].as_u64().map(|it| it > 0), Some(true));
    let said: Vec<String> = messages(&world, &thread).into_iter().map(|it| it.1).collect();
    assert_eq!(said[0], "<instructions>\nBe brief.\n</instructions>\n\nfirst question");
    assert_eq!(said[2], "second question", "the thread was told already");
    let unknown = json!({"model": "wren", "input": "hello", "previous_response_id": "resp_1"});
    let unknown = respond(unknown);
    assert_eq!(
        (unknown.status, &unknown.json()["error"]["code"]),
        (404, &json!("previous_response_not_found"))
    );
}
