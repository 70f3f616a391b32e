#include "base/option_value.h"
#include <string.h>

enum { HELP_INDENT = 30, HELP_WIDTH = 96 };

/* Prints text from column HELP_INDENT on, broken at blanks before HELP_WIDTH. */
static void wrap(FILE *out, const char *text, int column, int indent)
{
    while (*text != '\0') {
        size_t room = (size_t)(HELP_WIDTH - column), n = strlen(text);
        if (n > room) {
            n = room;
            while (n > 0 && text[n] != ' ')
                n--;
            if (n == 0)
                n = strcspn(text, " ");
        }
        fprintf(out, "%.*s\n", (int)n, text);
        text += n;
        while (*text == ' ')
            text++;
        if (*text != '\0')
            fprintf(out, "%*s", indent, "");
        column = indent;
    }
}

static void row_help(const struct option_table *t, const struct option_row *row, FILE *out)
{
    char left[128], right[600], name[OPTION_NAME_ROOM] = "";
    if (row->letter != 0)
        snprintf(left, sizeof left, "  -%c, --%s", row->letter, row->name);
    else
        snprintf(left, sizeof left, "      --%s", row->name);
    size_t used = strlen(left);
    if (row->type != OPTION_FLAG)
        snprintf(left + used, sizeof left - used, " %s", row->value == NULL ? "VALUE" : row->value);
    if (t->environment_prefix != NULL && !row->command_line_only)
        option_environment_name(t, row, name);
    bool shown = row->fallback != NULL && row->fallback[0] != '\0' && row->type != OPTION_FLAG;
    snprintf(right, sizeof right, "%s%s%s%s%s%s%s", row->help == NULL ? "" : row->help, shown ? " (default " : "",
             shown ? row->fallback : "", shown ? ")" : "", name[0] != '\0' ? " [" : "", name,
             name[0] != '\0' ? "]" : "");
    int column = fprintf(out, "%-*s", HELP_INDENT, left);
    if (column >= HELP_INDENT)
        fprintf(out, "\n%*s", HELP_INDENT, "");
    wrap(out, right, HELP_INDENT, HELP_INDENT);
}

void option_help(const struct option_table *t, FILE *out)
{
    fprintf(out, "usage: %s\n\n", t->usage);
    wrap(out, t->summary, 0, 0);
    fputc('\n', out);
    for (size_t i = 0; i < t->count; i++)
        row_help(t, &t->rows[i], out);
}
