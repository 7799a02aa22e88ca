/* The parts of docs/generate that are written from the command table. */
#ifndef VMV_DOCS_COMMANDS_H
#define VMV_DOCS_COMMANDS_H

void put_commands(void);     /* docs/COMMANDS.md */
void put_commands_man(void); /* man/vmvitals-commands.7 */

/* Text of a table cell of Markdown: a bar would end it. */
void put_cell(const char *text);

#endif
