// Searching in all that was said.

export const SEARCH: Record<string, string> = {
  'Searching…': 'Es wird gesucht…',
  '1 find': '1 Fund',
  '{n} finds': '{n} Funde',
  'The first {n} finds': 'Die ersten {n} Funde',
  'in 1 chat': 'in 1 Chat',
  'in {n} chats': 'in {n} Chats',
  '{finds} {where}, at most 5 of each': '{finds} {where}, höchstens 5 aus jedem',
  'A word, a file, a command…': 'Ein Wort, eine Datei, ein Befehl…',
  'The search failed.': 'Die Suche ist fehlgeschlagen.',
  'what is found': 'was gefunden wird',
  'Find what was said in any chat': 'Finden, was in irgendeinem Chat gesagt wurde',
  'SHIM looks into everything it keeps: what you wrote, what was answered, what tools were asked and told. Two letters are enough to begin.':
    'SHIM sieht in allem nach, was es aufbewahrt: was du geschrieben hast, was geantwortet wurde, was Werkzeuge gefragt wurden und sagten. Zwei Buchstaben genügen.',
  'One more, please.': 'Noch einer, bitte.',
  'Nothing was found for “{text}”': 'Zu „{text}“ wurde nichts gefunden',
  'SHIM looks for exactly these letters, in capitals or not. Try a single word of it, a file’s name, or a part of a command.':
    'SHIM sucht genau diese Buchstaben, groß oder klein. Versuche ein einzelnes Wort daraus, einen Dateinamen oder einen Teil eines Befehls.',
  You: 'Du',
  Answer: 'Antwort',
};
