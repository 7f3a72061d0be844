//! TOML, with the places its own parser tells.

use nexus_expr::Place;
use serde_json::Value;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::node::{Builder, Document, Fields, Spot, Unreadable, deep, fraction, join};

type Read<T> = Result<T, Unreadable>;

pub(crate) fn document(text: &str) -> Read<Document> {
    let parsed = DeTable::parse(text);
    let mut reader = Reader { text, builder: Builder::default() };
    let table = match parsed {
        Ok(table) => table,
        Err(error) => {
            let at = reader.place(error.span().map_or(0, |span| span.start));
            return Unreadable::new(at, error.message());
        }
    };
    let value = reader.table("", table.get_ref(), 0)?;
    Ok(reader.builder.document(value))
}

struct Reader<'a> {
    text: &'a str,
    builder: Builder,
}

impl Reader<'_> {
    fn place(&self, offset: usize) -> Place {
        let before = &self.text[..self.text.floor_char_boundary(offset)];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let line = 1 + before.bytes().filter(|byte| *byte == b'\n').count();
        Place { line, column: 1 + before[line_start..].chars().count() }
    }

    fn table(&mut self, path: &str, table: &DeTable<'_>, depth: usize) -> Read<Value> {
        let mut fields = Fields::new();
        for (key, value) in table {
            let at = self.place(key.span().start);
            let name = key.get_ref().to_string();
            let value = self.value(&join(path, &name), Some(at), value, depth + 1)?;
            fields.insert(name, value);
        }
        Ok(Value::Object(fields))
    }

    fn value(
        &mut self,
        path: &str,
        key: Option<Place>,
        value: &Spanned<DeValue<'_>>,
        depth: usize,
    ) -> Read<Value> {
        let span = value.span();
        let at = self.place(span.start);
        deep(at, depth)?;
        let mut spot = Spot { key: key.unwrap_or(at), value: at, is_verbatim: false };
        if let DeValue::String(said) = value.get_ref() {
            spot.is_verbatim = said.len() + 2 == span.len() && !said.contains('\n');
            spot.value.column += usize::from(spot.is_verbatim);
        }
        self.builder.note(path, spot)?;
        Ok(match value.get_ref() {
            DeValue::String(said) => Value::from(said.as_ref()),
            DeValue::Boolean(flag) => Value::Bool(*flag),
            DeValue::Integer(number) => {
                let read = i64::from_str_radix(number.as_str(), number.radix()).ok().map(Value::from);
                match read {
                    Some(value) => value,
                    None => return Unreadable::new(at, "this number is too large"),
                }
            }
            DeValue::Float(number) => match fraction(number.as_str()) {
                Some(value) => value,
                None => {
                    return Unreadable::new(at, "this is no number here; put it in quotes if it is a text");
                }
            },
            DeValue::Datetime(moment) => Value::from(moment.to_string()),
            DeValue::Array(items) => {
                let mut read = Vec::new();
                for (index, item) in items.iter().enumerate() {
                    read.push(self.value(&format!("{path}[{index}]"), None, item, depth + 1)?);
                }
                Value::Array(read)
            }
            DeValue::Table(table) => self.table(path, table, depth)?,
        })
    }
}
