/* base/list.h -- an intrusive doubly linked list: the node lives in what is listed, so
 * listing never allocates. A node that is in no list has next NULL. Not thread-safe: the
 * owner's lock guards it. */
#ifndef ER_LIST_H
#define ER_LIST_H

#include <stdbool.h>
#include <stddef.h>

typedef struct er_node {
    struct er_node *next, *prev;
} er_node;
typedef struct er_list {
    er_node head; /* a ring through the head */
} er_list;

/* for each node, in order; the node must stay in the list meanwhile. */
#define er_list_each(node, list)                                                                   \
    for (er_node *node = (list)->head.next; node != &(list)->head; node = node->next)

/* What the node is part of. */
#define er_of(node, type, member) ((type *)(void *)((char *)(node)-offsetof(type, member)))

static inline void er_list_init(er_list *list) { list->head.next = list->head.prev = &list->head; }
static inline bool er_list_empty(const er_list *list) { return list->head.next == &list->head; }
static inline bool er_listed(const er_node *node) { return node->next != NULL; }

static inline void er_list_push(er_list *list, er_node *node) /* to the end */
{
    node->next = &list->head;
    node->prev = list->head.prev;
    node->prev->next = node;
    list->head.prev = node;
}
static inline void er_list_push_front(er_list *list, er_node *node)
{
    node->prev = &list->head;
    node->next = list->head.next;
    node->next->prev = node;
    list->head.next = node;
}
static inline void er_list_insert(er_node *before, er_node *node) /* behind `before` */
{
    node->prev = before;
    node->next = before->next;
    node->next->prev = node;
    before->next = node;
}
static inline void er_list_remove(er_node *node)
{
    /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): it is in a list */
    node->prev->next = node->next;
    node->next->prev = node->prev;
    node->next = node->prev = NULL;
}
static inline er_node *er_list_first(const er_list *list) /* NULL: empty */
{
    return er_list_empty(list) ? NULL : list->head.next;
}
static inline er_node *er_list_pop(er_list *list)
{
    er_node *node = er_list_first(list);
    if (node) er_list_remove(node);
    return node;
}
/* to is initialised by this; from is empty then */
static inline void er_list_take_all(er_list *to, er_list *from)
{
    if (er_list_empty(from)) {
        er_list_init(to);
        return;
    }
    to->head = from->head;
    to->head.next->prev = &to->head;
    to->head.prev->next = &to->head;
    er_list_init(from);
}

#endif
