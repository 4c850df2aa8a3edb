// The settings.

export const SETTINGS: Record<string, string> = {
  'The settings': 'Die Einstellungen',
  settings: 'Einstellungen',
  'Find a setting': 'Einstellung finden',
  'No setting of that name': 'Keine Einstellung heißt so',
  'Nothing here is about “{wanted}”. Try one word, such as “memory”.':
    'Hier handelt nichts von „{wanted}“. Versuche ein Wort, auf Englisch, wie „memory“.',
  'The file is not right, and what was set before holds on.': 'Die Datei stimmt nicht, und es gilt weiter, was vorher galt.',
  'Mend these in “The whole file” below, or in {path}:': 'Zu beheben unten in „Die ganze Datei“ oder in {path}:',
  'line {n}': 'Zeile {n}',
  '{name} is back at its default.': '{name} steht wieder auf der Vorgabe.',
  '{name} is saved.': '{name} ist gespeichert.',
  'The file is saved.': 'Die Datei ist gespeichert.',

  'default {value}': 'Vorgabe {value}',
  'Holds wholly from SHIM’s next start on.': 'Gilt ganz ab dem nächsten Start von SHIM.',
  'Not saved:': 'Nicht gespeichert:',
  Reset: 'Zurücksetzen',
  'Reset {name} to its default': '{name} auf die Vorgabe zurücksetzen',
  empty: 'leer',
  'one a line': 'eins je Zeile',
  on: 'an',
  off: 'aus',
  'What SHIM found here, what it does, and what can be installed, as at the first start.':
    'Was SHIM hier fand, was es tut und was installiert werden kann, wie beim ersten Start.',
  'Show the welcome again': 'Willkommen noch einmal zeigen',

  'The whole file': 'Die ganze Datei',
  'All of this stands in {path}, and may be edited there as well: SHIM takes it over within seconds. Copy it to keep it, or paste another one here. The text before the last change lies in the folder “backups” beside it.':
    'All das steht in {path} und darf auch dort geändert werden: SHIM übernimmt es binnen Sekunden. Kopiere es, um es aufzuheben, oder füge hier ein anderes ein. Der Text vor der letzten Änderung liegt daneben im Ordner „backups“.',
  Save: 'Speichern',
  Undo: 'Rückgängig',

  'Bringing chats back': 'Chats zurückholen',
  'What SHIM does by itself, and how.': 'Was SHIM von selbst tut, und wie.',
  'The window': 'Das Fenster',
  'How window and tray look, what they speak, and when they start.':
    'Wie Fenster und Symbol aussehen, was sie sprechen und wann sie starten.',
  Notifications: 'Benachrichtigungen',
  'Of what SHIM tells you, and when it keeps quiet.': 'Wovon SHIM berichtet, und wann es still bleibt.',
  'Noticing trouble': 'Störungen bemerken',
  'When a chat hangs, runs out of memory or context, or waits too long.':
    'Wann ein Chat hängt, wann Speicher oder Kontext ausgehen, wann er zu lange wartet.',
  Checkpoints: 'Prüfpunkte',
  'When they are taken, and what is kept of the working tree.': 'Wann sie gesetzt werden, und was vom Arbeitsordner aufbewahrt wird.',
  'What is kept': 'Was aufbewahrt wird',
  'How long, and how much of the disk it may take.': 'Wie lange, und wie viel Platz es brauchen darf.',
  Privacy: 'Datenschutz',
  'What is made unreadable in what SHIM shows and exports.': 'Was unkenntlich wird in dem, was SHIM zeigt und exportiert.',
  Risk: 'Risiko',
  'From where on a chat is in a warning or in danger, until SHIM has learned from this machine.':
    'Ab wann für einen Chat Warnung oder Gefahr gilt, bis SHIM von diesem Rechner gelernt hat.',
  'Clients and folders': 'Clients und Ordner',
  'Where SHIM looks for chats.': 'Wo SHIM nach Chats sucht.',
  'The engine': 'Die Engine',
  'Settings of SHIM itself.': 'Einstellungen von SHIM selbst.',
  Colours: 'Farben',
  Language: 'Sprache',
  'Start the tray when you log in': 'Symbol beim Anmelden starten',
  'As the system': 'Wie das System',
  Light: 'Hell',
  Dark: 'Dunkel',
};
