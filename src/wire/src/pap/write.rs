//! Documents to XML text: one element a line, lines ended as in mail, in the order of the document type.

use super::{
    Address, CancelResult, DeliveryMethod, Document, MessageState, Pap, PapError, Priority,
    ProgressNote, PushMessage, PushResponse, QualityOfService, ResultNotification,
    StatusQueryResult,
};

const PROLOGUE: &str = "<?xml version=\"1.0\"?>\r\n\
    <!DOCTYPE pap PUBLIC \"-//WAPFORUM//DTD PAP 2.0//EN\" \"http://www.openmobilealliance.org/tech/DTD/pap_2.0.dtd\">\r\n";

impl Pap {
    /// The document as text. Fails only for characters that XML cannot carry.
    pub fn write(&self) -> Result<String, PapError> {
        let mut out = Lines { out: PROLOGUE.to_owned(), depth: 0 };
        let product = [("product-name", self.product_name.as_deref())];
        out.element("pap", &product, |out| out.document(&self.document))?;
        Ok(out.out)
    }
}

type Attributes<'a> = [(&'a str, Option<&'a str>)];

struct Lines {
    out: String,
    depth: usize,
}

impl Lines {
    fn document(&mut self, document: &Document) -> Result<(), PapError> {
        let name = document.name();
        match document {
            Document::Push(push) => self.push(push),
            Document::PushResponse(response) => self.push_response(response),
            Document::Result(result) => self.result(result),
            Document::ResultResponse(response) => {
                let code = response.code.code().to_string();
                let attributes = [
                    ("push-id", Some(response.push_id.as_str())),
                    ("code", Some(&code)),
                    ("desc", response.desc.as_deref()),
                ];
                match &response.address {
                    Some(address) => self.element(name, &attributes, |out| out.address(address)),
                    None => self.empty(name, &attributes),
                }
            }
            Document::Cancel(message) => self.about(name, &message.push_id, &message.addresses),
            Document::StatusQuery(query) => self.about(name, &query.push_id, &query.addresses),
            Document::CancelResponse(response) => {
                self.element(name, &[("push-id", Some(&response.push_id))], |out| {
                    response.results.iter().try_for_each(|result| out.cancel_result(result))
                })
            }
            Document::StatusQueryResponse(response) => {
                self.element(name, &[("push-id", Some(&response.push_id))], |out| {
                    response.results.iter().try_for_each(|result| out.status_result(result))
                })
            }
            Document::Bad(bad) => {
                let code = bad.code.code().to_string();
                let attributes = [
                    ("code", Some(code.as_str())),
                    ("desc", bad.desc.as_deref()),
                    ("bad-message-fragment", bad.fragment.as_deref()),
                ];
                self.empty(name, &attributes)
            }
        }
    }

    fn push(&mut self, push: &PushMessage) -> Result<(), PapError> {
        let attributes = [
            ("push-id", Some(push.push_id.as_str())),
            ("deliver-before-timestamp", push.deliver_before.as_deref()),
            ("deliver-after-timestamp", push.deliver_after.as_deref()),
            ("source-reference", push.source_reference.as_deref()),
            ("progress-notes-requested", push.progress_notes.map(yes_or_no)),
            ("ppg-notify-requested-to", push.notify_requested_to.as_deref()),
        ];
        self.element("push-message", &attributes, |out| {
            push.addresses.iter().try_for_each(|address| out.address(address))?;
            push.quality.iter().try_for_each(|quality| out.quality(quality))
        })
    }

    fn push_response(&mut self, response: &PushResponse) -> Result<(), PapError> {
        let attributes = [
            ("push-id", Some(response.push_id.as_str())),
            ("sender-address", response.sender_address.as_deref()),
            ("sender-name", response.sender_name.as_deref()),
            ("reply-time", response.reply_time.as_deref()),
        ];
        let code = response.code.code().to_string();
        let result = [("code", Some(code.as_str())), ("desc", response.desc.as_deref())];
        self.element("push-response", &attributes, |out| {
            response.progress.iter().try_for_each(|ProgressNote { stage, time, note }| {
                let attributes = [
                    ("stage", Some(stage.as_str())),
                    ("time", time.as_deref()),
                    ("note", note.as_deref()),
                ];
                out.empty("progress-note", &attributes)
            })?;
            out.empty("response-result", &result)
        })
    }

    fn result(&mut self, result: &ResultNotification) -> Result<(), PapError> {
        let code = result.code.code().to_string();
        let attributes = [
            ("push-id", Some(result.push_id.as_str())),
            ("sender-address", result.sender_address.as_deref()),
            ("sender-name", result.sender_name.as_deref()),
            ("received-time", result.received_time.as_deref()),
            ("event-time", result.event_time.as_deref()),
            ("message-state", Some(result.state.name())),
            ("code", Some(&code)),
            ("desc", result.desc.as_deref()),
        ];
        self.element("resultnotification-message", &attributes, |out| {
            out.address(&result.address)?;
            result.quality.iter().try_for_each(|quality| out.quality(quality))
        })
    }

    fn cancel_result(&mut self, result: &CancelResult) -> Result<(), PapError> {
        let code = result.code.code().to_string();
        let attributes = [("code", Some(code.as_str())), ("desc", result.desc.as_deref())];
        self.with_addresses("cancel-result", &attributes, &result.addresses)
    }

    fn status_result(&mut self, result: &StatusQueryResult) -> Result<(), PapError> {
        let code = result.code.code().to_string();
        let attributes = [
            ("code", Some(code.as_str())),
            ("event-time", result.event_time.as_deref()),
            ("message-state", result.state.as_ref().map(MessageState::name)),
            ("desc", result.desc.as_deref()),
        ];
        self.with_addresses("statusquery-result", &attributes, &result.addresses)
    }

    fn about(&mut self, name: &str, id: &str, addresses: &[Address]) -> Result<(), PapError> {
        self.with_addresses(name, &[("push-id", Some(id))], addresses)
    }

    fn quality(&mut self, quality: &QualityOfService) -> Result<(), PapError> {
        let attributes = [
            ("priority", quality.priority.as_ref().map(Priority::name)),
            ("delivery-method", quality.delivery_method.as_ref().map(DeliveryMethod::name)),
            ("network-required", quality.network_required.map(yes_or_no)),
            ("network", quality.network.as_deref()),
            ("bearer-required", quality.bearer_required.map(yes_or_no)),
            ("bearer", quality.bearer.as_deref()),
        ];
        self.empty("quality-of-service", &attributes)
    }

    fn address(&mut self, address: &Address) -> Result<(), PapError> {
        self.empty("address", &[("address-value", Some(address.text()))])
    }

    fn with_addresses(
        &mut self,
        name: &str,
        attributes: &Attributes<'_>,
        addresses: &[Address],
    ) -> Result<(), PapError> {
        if addresses.is_empty() {
            return self.empty(name, attributes);
        }
        self.element(name, attributes, |out| {
            addresses.iter().try_for_each(|address| out.address(address))
        })
    }

    fn element(
        &mut self,
        name: &str,
        attributes: &Attributes<'_>,
        inside: impl FnOnce(&mut Self) -> Result<(), PapError>,
    ) -> Result<(), PapError> {
        self.tag(name, attributes, ">\r\n")?;
        self.depth += 1;
        inside(self)?;
        self.depth -= 1;
        self.out.extend(std::iter::repeat_n(' ', self.depth));
        self.out.extend(["</", name, ">\r\n"]);
        Ok(())
    }

    fn empty(&mut self, name: &str, attributes: &Attributes<'_>) -> Result<(), PapError> {
        self.tag(name, attributes, "/>\r\n")
    }

    fn tag(&mut self, name: &str, attributes: &Attributes<'_>, end: &str) -> Result<(), PapError> {
        self.out.extend(std::iter::repeat_n(' ', self.depth));
        self.out.extend(["<", name]);
        for (name, value) in attributes {
            if let Some(value) = value {
                self.out.extend([" ", name, "=\""]);
                self.escape(value)?;
                self.out.push('"');
            }
        }
        self.out.push_str(end);
        Ok(())
    }

    fn escape(&mut self, value: &str) -> Result<(), PapError> {
        for character in value.chars() {
            match character {
                '&' => self.out.push_str("&amp;"),
                '<' => self.out.push_str("&lt;"),
                '>' => self.out.push_str("&gt;"),
                '"' => self.out.push_str("&quot;"),
                '\0'..=' ' if character != ' ' => return Err(PapError::Character(character)),
                '\u{FFFE}' | '\u{FFFF}' => return Err(PapError::Character(character)),
                character => self.out.push(character),
            }
        }
        Ok(())
    }
}

const fn yes_or_no(yes: bool) -> &'static str {
    if yes { "true" } else { "false" }
}
