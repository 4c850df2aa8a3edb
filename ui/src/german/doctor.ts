// The doctor, and what can be installed.

export const DOCTOR: Record<string, string> = {
  'One thing is to mend': 'Eine Sache ist zu beheben',
  '{n} things are to mend': '{n} Dinge sind zu beheben',
  'one note to know of': 'ein Hinweis',
  '{n} notes to know of': '{n} Hinweise',
  '{toMend}, and {toKnow}.': '{toMend}, dazu {toKnow}.',
  'Nothing is to mend, and {toKnow}.': 'Nichts ist zu beheben, dazu {toKnow}.',
  'Everything is as it should be.': 'Alles ist, wie es sein soll.',
  Well: 'Gut',
  Note: 'Hinweis',
  'To mend': 'Zu beheben',

  Clients: 'Clients',
  'Hooks and MCP': 'Hooks und MCP',
  Journal: 'Journal',
  Other: 'Anderes',
  Folder: 'Ordner',

  'Is every copy whole?': 'Ist jede Kopie heil?',
  'This reads the whole journal and holds each piece against its checksum.':
    'Das liest das ganze Journal und hält jedes Stück gegen seine Prüfsumme.',
  'This reads the whole journal, {bytes} on disk, and holds each piece against its checksum.':
    'Das liest das ganze Journal, {bytes} auf der Platte, und hält jedes Stück gegen seine Prüfsumme.',
  'With a large journal it takes a while; chats go on meanwhile.': 'Bei einem großen Journal dauert es; Chats laufen derweil weiter.',
  'Reading the journal…': 'Das Journal wird gelesen…',
  'Verify the journal': 'Journal prüfen',
  'Every piece is whole': 'Jedes Stück ist heil',
  'Some pieces are damaged: see Journal above': 'Manche Stücke sind beschädigt: siehe Journal oben',
  read: 'gelesen',

  'What makes SHIM better still': 'Was SHIM noch besser macht',
  'All of it is optional. What would change is shown before it is changed, and can be taken back exactly.':
    'Nichts davon muss sein. Was sich änderte, wird vorher gezeigt und kann genau zurückgenommen werden.',
  'What can be installed': 'Was installiert werden kann',
  'what can be installed': 'was installiert werden kann',
  'No client was found that could be told of SHIM.': 'Es wurde kein Client gefunden, dem von SHIM gesagt werden könnte.',
  'This system': 'Dieses System',
  Hooks: 'Hooks',
  MCP: 'MCP',
  Service: 'Dienst',
  'Clients say themselves when a chat starts, compacts, stops and ends; a checkpoint stands before each risky call.':
    'Clients sagen selbst, wann ein Chat beginnt, verdichtet, anhält und endet; vor jedem heiklen Aufruf steht ein Prüfpunkt.',
  'The model in a chat can ask what was cut and take checkpoints.':
    'Das Modell in einem Chat kann fragen, was abgeschnitten wurde, und Prüfpunkte setzen.',
  'The engine runs from login on, with or without the tray.': 'Die Engine läuft vom Anmelden an, mit oder ohne Symbol.',
  'Not installed': 'Nicht installiert',
  Installed: 'Installiert',
  'Not possible here': 'Hier nicht möglich',
  written: 'geschrieben',
  'would be written': 'würde geschrieben',
  'is as it should be': 'ist, wie es sein soll',
  'left out': 'ausgelassen',
  refused: 'abgelehnt',

  'Undo…': 'Rückgängig…',
  'Show what would change': 'Zeigen, was sich ändern würde',
  'What would change: {name}': 'Was sich ändern würde: {name}',
  'Changes of {file}': 'Änderungen an {file}',
  'Nothing here that this could be done for.': 'Hier ist nichts, wofür das getan werden könnte.',
  'Being done…': 'Wird getan…',
  'Do it': 'Tun',
  '{name} could not be changed.': '{name}: Das Ändern ist fehlgeschlagen.',
  'What was done': 'Was getan wurde',
  'Nothing was changed.': 'Nichts wurde geändert.',
  'The file as it was lies in {path}.': 'Die Datei, wie sie war, liegt in {path}.',
};
