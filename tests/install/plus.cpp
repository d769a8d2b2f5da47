// A user's program in C++.
#include <errand.hpp>

#include <iostream>
#include <stdexcept>
#include <string>

int main()
{
    errand::pool pool;
    std::string said = pool.submit([] { return std::string("hello"); })
                           .then([](std::string s) { return s + " there"; })
                           .get();
    try {
        pool.submit([]() -> int { throw std::runtime_error("thrown in a task"); }).get();
        return 1;
    } catch (const std::runtime_error &e) {
        std::cout << "plus " << said << ", " << e.what() << '\n';
    }
    return said != "hello there";
}
