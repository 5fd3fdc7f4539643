//! What is small as bytes and big once it is taken apart: a poll needs less than 64 MiB whatever the platform says.

use waagent_common::documents::GoalState;
use waagent_fabric::fault::Act;
use waagent_fabric::route::Route;

use super::machine::{Machine, SCENARIO};

/// An ExtensionsConfig of these handlers, each with these public settings.
fn config(names: &[String], public: &str) -> String {
    let plugins: String = names
        .iter()
        .map(|name| {
            format!(
                r#"<Plugin name="{name}" version="1.0" location="https://a.example/m.xml" state="enabled"/>"#
            )
        })
        .collect();
    let settings: String = names
        .iter()
        .map(|name| {
            format!(
                r#"<Plugin name="{name}" version="1.0"><RuntimeSettings seqNo="0"><![CDATA[{{"runtimeSettings":[{{"handlerSettings":{{"publicSettings":{public}}}}}]}}]]></RuntimeSettings></Plugin>"#
            )
        })
        .collect();
    format!(
        "<Extensions><Plugins>{plugins}</Plugins><PluginSettings>{settings}</PluginSettings></Extensions>"
    )
}

fn names(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("Test.Number{number}")).collect()
}

fn many_values(bytes: usize) -> String {
    format!("[{}[0]]", "[0],".repeat(bytes / 4))
}

#[test]
fn settings_of_many_values_are_handed_on_as_they_came() {
    let Some(machine) = Machine::new(SCENARIO) else { return };
    machine.transport();
    let public = many_values(3_800_000);
    machine.break_route(Route::ExtensionsConfig, Act::Body { text: config(&names(2), &public) });
    let (code, text) = machine.frugal_once();
    assert_eq!(code, 0, "{text}");
    let extensions = machine.document::<GoalState>().body.extensions;
    assert_eq!(extensions.len(), 2);
    for extension in extensions {
        let settings = extension.settings.first().unwrap();
        assert_eq!(settings.public_settings.as_ref().unwrap().as_str(), public, "{:?}", extension.error);
    }
}

/// Quotes are twice as long in the document as in the answer.
#[test]
fn extensions_that_are_too_much_together_fail_and_the_others_are_published() {
    let Some(machine) = Machine::new(SCENARIO) else { return };
    machine.transport();
    let public = format!("[{}\"\"]", "\"\",".repeat(600_000));
    machine.break_route(Route::ExtensionsConfig, Act::Body { text: config(&names(4), &public) });
    let (code, text) = machine.frugal_once();
    assert_eq!(code, 0, "{text}");
    let extensions = machine.document::<GoalState>().body.extensions;
    let errors: Vec<bool> = extensions.iter().map(|extension| extension.error.is_some()).collect();
    assert_eq!(errors, [false, false, false, true]);
    assert!(extensions.last().unwrap().error.as_ref().unwrap().contains("bytes together"));
}

#[test]
fn elements_and_attributes_of_a_whole_answer_are_no_more_than_it_can_hold() {
    let Some(machine) = Machine::new(SCENARIO) else { return };
    machine.transport();
    let elements = format!("<Extensions>{}</Extensions>", "<a><b/></a>".repeat(700_000));
    let of_attributes = (0..60).map(|n| format!(" a{n}=''")).collect::<String>();
    let attributes = format!("<Extensions>{}</Extensions>", format!("<a{of_attributes}/>").repeat(18_000));
    for document in [elements, attributes] {
        machine.break_route(Route::ExtensionsConfig, Act::Body { text: document });
        let (code, text) = machine.frugal_once();
        assert_eq!(code, 76, "{text}");
        assert!(text.contains("more than"), "{text}");
    }
    // The twin: as many as are allowed, and as long as they can be.
    let many = format!("<a>{}</a>", "<b c='d'/>".repeat(49));
    let full = format!("<Extensions>{}<x>{}</x></Extensions>", many.repeat(1900), "y".repeat(7 << 20));
    machine.break_route(Route::ExtensionsConfig, Act::Body { text: full });
    let (code, text) = machine.frugal_once();
    assert_eq!(code, 0, "{text}");
}
