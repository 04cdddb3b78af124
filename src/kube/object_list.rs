//! Lists of objects. Each object is passed on as soon as it is read, because it takes ten times the memory of the parts
//! that are kept.

use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// A list, or one page of it, without its objects.
#[derive(Debug, Default)]
pub(crate) struct ListHead {
    /// `PodList`
    pub(crate) kind: String,
    /// The metadata of the list, with the token for the next page.
    pub(crate) metadata: ListMetadata,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct ListMetadata {
    /// The version of the cluster's state in this list.
    pub(crate) resource_version: String,
    /// The token for the next page; empty on the last page.
    pub(crate) r#continue: String,
}

/// Receives an object and returns whether more are accepted.
pub(crate) type OnObject<'t, T> = &'t mut dyn FnMut(T) -> bool;

/// Reads a list and passes its objects to this function.
pub(crate) struct ObjectList<'t, T>(pub(crate) OnObject<'t, T>);

struct ObjectItems<'r, 't, T>(&'r mut ObjectList<'t, T>);

/// The keys of a list.
#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "lowercase")]
enum ListKey {
    Kind,
    Metadata,
    Items,
    #[serde(other)]
    Other,
}

impl<'de, T: Deserialize<'de>> DeserializeSeed<'de> for ObjectList<'_, T> {
    type Value = ListHead;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<ListHead, D::Error> {
        from.deserialize_map(self)
    }
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectList<'_, T> {
    type Value = ListHead;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut from: A) -> Result<ListHead, A::Error> {
        let mut head = ListHead::default();
        while let Some(key) = from.next_key()? {
            match key {
                ListKey::Kind => head.kind = from.next_value()?,
                ListKey::Metadata => head.metadata = from.next_value()?,
                ListKey::Items => from.next_value_seed(ObjectItems(&mut self))?,
                ListKey::Other => drop(from.next_value::<IgnoredAny>()?),
            }
        }
        Ok(head)
    }
}

impl<'de, T: Deserialize<'de>> DeserializeSeed<'de> for ObjectItems<'_, '_, T> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_option(self)
    }
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectItems<'_, '_, T> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("objects")
    }

    /// `null`, which Go writes for an empty list, means none.
    fn visit_none<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_some<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_seq(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<(), A::Error> {
        while let Some(object) = from.next_element()? {
            if !(self.0.0)(object) {
                return Err(A::Error::custom("expected fewer objects"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads at most `most` numbers of a list, and its head.
    fn read(text: &str, most: usize) -> (Vec<u64>, Result<ListHead, String>) {
        let mut all = Vec::new();
        let mut take = |number| {
            all.push(number);
            all.len() < most
        };
        let mut from = serde_json::Deserializer::from_str(text);
        let head = ObjectList(&mut take).deserialize(&mut from).map_err(|error| error.to_string());
        (all, head)
    }

    #[test]
    fn passes_on_each_object() {
        let (all, head) = read(
            r#"{"apiVersion":"v1","items":[1,2,3],"kind":"PodList","metadata":{"selfLink":"","resourceVersion":"7","continue":"next"}}"#,
            9,
        );
        let head = head.unwrap();
        let found = (&*head.kind, &*head.metadata.resource_version, &*head.metadata.r#continue);
        assert_eq!((&*all, found), (&[1, 2, 3][..], ("PodList", "7", "next")));
        for text in [r#"{"kind":"PodList","items":null}"#, r#"{"kind":"PodList"}"#, r#"{"items":[],"kind":"PodList"}"#]
        {
            let (all, head) = read(text, 9);
            assert_eq!((all.len(), &*head.unwrap().kind), (0, "PodList"), "{text}");
        }
        for text in ["7", "[]", "null", r#"{"items":7}"#, r#"{"items":["a"]}"#, r#"{"kind":7}"#, r#"{"items":[1,2"#] {
            assert!(read(text, 9).1.is_err(), "{text}");
        }
    }

    /// The rest of the list is not read, and may be invalid.
    #[test]
    fn stops_at_the_first_excess_object() {
        let (all, head) = read(r#"{"items":[1,2,3,4,"#, 3);
        assert_eq!(all, [1, 2, 3]);
        assert!(head.unwrap_err().starts_with("expected fewer objects"));
    }
}
