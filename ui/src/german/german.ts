// The German of the pages, by the English that stands in the source. One file per part of the pages.

export const GERMAN: Record<string, string> = {};
