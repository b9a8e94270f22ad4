//! What an extension's author sees: the small traits, Route, Context, external intents.
