// Each event holds lines of the journal: docs/journal.md says what they are.
const records = document.getElementById("records");

new EventSource("/records").onmessage = ({ data }) => records.append(`${data}\n`);
