// The first start.

export const WELCOME: Record<string, string> = {
  'You change nothing in how you work: SHIM watches your AI chats and brings them back when they die.':
    'An deiner Arbeit ändert sich nichts: SHIM wacht über deine KI-Chats und holt sie zurück, wenn sie abstürzen.',
  Skip: 'Überspringen',
  Done: 'Fertig',
  'What was found here': 'Was hier gefunden wurde',
  'what was found here': 'was hier gefunden wurde',
  'No AI client is here yet, and that is fine. Install Claude Code, Codex, Gemini CLI or opencode and start a chat as you always do: SHIM notices by itself.':
    'Noch ist kein KI-Client da, und das ist in Ordnung. Installiere Claude Code, Codex, Gemini CLI oder opencode und beginne einen Chat wie immer: SHIM merkt es von selbst.',
  'There is one already? See where SHIM looked.': 'Es ist schon einer da? Nachsehen, wo SHIM gesucht hat.',
  'Its program was not found; its chats are kept all the same.':
    'Das Programm wurde nicht gefunden; die Chats werden trotzdem aufbewahrt.',
  'Chats in {folder}': 'Chats in {folder}',

  'What SHIM does': 'Was SHIM tut',
  'It keeps an exact copy of every chat as it grows, and of the working tree with checkpoints.':
    'Es bewahrt von jedem Chat eine genaue Kopie auf, während er wächst, und mit Prüfpunkten auch vom Arbeitsordner.',
  'It notices at once when a chat dies or hangs, and tells you.': 'Es merkt sofort, wenn ein Chat abstürzt oder hängt, und sagt es.',
  'It brings a chat back with one click: the same conversation, folder, model and mode, with a receipt of what was proved.':
    'Es holt einen Chat mit einem Klick zurück: dasselbe Gespräch, derselbe Ordner, dasselbe Modell, derselbe Modus, mit einem Beleg über das, was geprüft wurde.',
  'What SHIM never does': 'Was SHIM nie tut',
  'It sends nothing anywhere: no account, no telemetry.': 'Es sendet nichts irgendwohin: kein Konto, keine Telemetrie.',
  'It changes no settings of your clients unless you saw how and said yes, and it undoes that exactly.':
    'Es ändert keine Einstellung deiner Clients, ohne dass du gesehen hast, wie, und zugestimmt hast; und es nimmt das genau zurück.',
  'It brings nothing back and ends nothing by itself, unless your settings say so.':
    'Es holt nichts von selbst zurück und beendet nichts von selbst, außer deine Einstellungen erlauben es.',
  'It opens no files with credentials.': 'Es öffnet keine Dateien mit Zugangsdaten.',

  'What makes it better still': 'Was es noch besser macht',
  'All of this is optional, and can be done later under Doctor. You see what would change before anything is written.':
    'Nichts davon muss sein, und alles geht auch später unter Doktor. Was sich ändern würde, siehst du, bevor etwas geschrieben wird.',
  Tray: 'Symbol',

  'Nothing leaves this machine through SHIM, and what it keeps only you can read.':
    'Durch SHIM verlässt nichts diesen Rechner, und was es aufbewahrt, kannst nur du lesen.',
  'What is kept, where and how long': 'Was aufbewahrt wird, wo und wie lange',
  'A copy of each chat, with what was typed, answered and read by tools, keys and passwords among it, lies in SHIM’s data folder, which only you may read. It is not encrypted.':
    'Eine Kopie jedes Chats, mit allem, was geschrieben, geantwortet und von Werkzeugen gelesen wurde, auch Schlüsseln und Passwörtern, liegt in SHIMs Datenordner, den nur du lesen darfst. Sie ist nicht verschlüsselt.',
  'It goes a year after the chat’s last activity, or earlier where it takes too much room. Deleting a chat in its client does not delete SHIM’s copy.':
    'Sie geht ein Jahr nachdem sich der Chat zuletzt bewegt hat, oder früher, wo sie zu viel Platz braucht. Wer einen Chat in seinem Client löscht, löscht SHIMs Kopie nicht.',
  'Working trees that are kept with checkpoints are commits under refs/shim/ in the repository itself.':
    'Arbeitsordner, die mit Prüfpunkten aufbewahrt werden, sind Commits unter refs/shim/ im Repository selbst.',
  'Tray, window and command line speak to the engine on this machine alone.':
    'Symbol, Fenster und Befehlszeile sprechen nur mit der Engine auf diesem Rechner.',
  'How long and how much is a setting': 'Wie lange und wie viel, lässt sich einstellen.',
  'All of it stands in docs/privacy.md.': 'Alles steht in docs/privacy.md.',
};
