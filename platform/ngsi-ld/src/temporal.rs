//! Temporal queries and representations (GS CIM 009 §4.11, §4.5.6 to §4.5.9, §4.5.19).
