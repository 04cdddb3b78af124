//! URL templates: they print as written, and no value of a placeholder affects other parts of the URL.
#![no_main]

use libfuzzer_sys::fuzz_target;
use metriclet::internals::parse::url_template::{Placeholder, Template, Values};

const MAX: usize = 256;

fuzz_target!(|input: (&str, &str, &str)| {
    let (text, name, namespace) = input;
    let Ok(template) = Template::parse(text, MAX) else { return };
    assert_eq!(template.to_string(), text);
    assert_eq!(Template::parse(text, MAX).as_ref(), Ok(&template));
    let values = Values {
        namespace: Some(namespace),
        resource: "pods",
        name: Some(name),
        metric: name,
        label_selector: namespace,
    };
    let Ok(url) = template.expand(&values) else {
        assert!(template.is_templated());
        return;
    };
    assert!(url.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#'), "{url}");
    assert_eq!(url.starts_with("https://"), template.is_https());
    let rest = url.split_once("://").expect("a scheme").1;
    let (authority, target) = rest.split_at(rest.find('/').expect("a path"));
    if !template.host_is_templated() {
        let written = text.split_once("://").expect("a scheme").1;
        assert!(written.starts_with(authority), "{url}");
    }
    assert!(!authority.is_empty() && !authority.contains(['?', '%', '\\', '@']), "{url}");
    // The numbers of slashes and question marks are those of the template, because values are encoded.
    let literal = Placeholder::ALL.iter().fold(text.to_owned(), |text, known| text.replace(known.as_str(), ""));
    let literal = literal.split_once("://").expect("a scheme").1;
    let added = usize::from(!literal.contains('/') || literal.find('?') < literal.find('/'));
    assert!(target.matches('/').count() <= literal.matches('/').count() + added, "{url}");
    assert_eq!(target.matches('?').count(), literal.matches('?').count(), "{url}");
});
